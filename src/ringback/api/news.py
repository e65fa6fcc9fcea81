"""Which events there are, and what each of them tells."""

from typing import Final

import msgspec

from ringback.calls.records.wire import CallManagerCall
from ringback.customers.wire import CustomerNews
from ringback.registrar.contacts.wire import ContactNews
from ringback.registrar.directs.wire import DirectNews
from ringback.registrar.extensions.wire import ExtensionNews
from ringback.registrar.trunks.wire import TrunkNews

WEBHOOKS: Final[dict[str, type[msgspec.Struct]]] = {
    **{f"extension_{action}": ExtensionNews for action in ("created", "updated", "deleted")},
    **{f"extension_direct_{action}": DirectNews for action in ("created", "updated", "deleted")},
    **{f"contact_{action}": ContactNews for action in ("registered", "unregistered", "expired")},
    **{f"trunk_{action}": TrunkNews for action in ("created", "updated", "deleted")},
    **{f"call_{action}": CallManagerCall for action in ("started", "answered", "ended")},
    **{f"customer_{action}": CustomerNews for action in ("created", "updated", "frozen", "recovered", "deleted")},
}
"""Event type → payload."""
TYPES: Final = (*WEBHOOKS, "policy_updated", "policy_deleted", "registry_revision")
"""Every type of an event: news of router extensions are called as those of the registrar's."""
