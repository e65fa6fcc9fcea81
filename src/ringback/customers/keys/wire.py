"""Access keys as they are asked for and shown; their clear text only once, when they are made."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from ringback.customers.keys.model import ADMIN, AccessKey
from ringback.customers.rights import MANAGER, PLATFORM, VIEWER
from ringback.kit.errors import Fault
from ringback.kit.reading import Asked, Identity, rule

OF_CUSTOMERS: Final = frozenset({ADMIN, MANAGER, VIEWER})
"""Roles that a key of a customer may be given."""
LONGEST: Final = 3650
"""Days that a key may be for, at most."""

Name = Annotated[
    str,
    rule("1 to 200 characters, no control characters", lambda text: 0 < len(text) <= 200 and text.isprintable()),
]
Days = Annotated[int, rule(f"a whole number from 1 to {LONGEST}", lambda days: 0 < days <= LONGEST)]


class NewKey(Asked, frozen=True, kw_only=True):
    """A key that somebody shall have: a customer's with `customer_id`, else one of the platform's own."""

    name: Name
    roles: tuple[str, ...]
    customer_id: Identity | None = None
    expires_in_days: Days | None = None

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        allowed = OF_CUSTOMERS if "customer_id" in values else PLATFORM
        roles = values.get("roles") or ()
        if "roles" in values and (not roles or not allowed.issuperset(roles)):
            whose = "a customer" if allowed is OF_CUSTOMERS else "the platform"
            yield Fault("roles", f"of a key of {whose} must be of {', '.join(sorted(allowed))}")


class ShownKey(msgspec.Struct, frozen=True):
    """A key for eyes: `prefix` tells it from others, `customer_id` is null for the platform's own."""

    id: UUID
    prefix: str
    name: str
    roles: list[str]
    customer_id: UUID | None
    state: str
    tm_create: datetime
    tm_expire: datetime | None
    tm_revoke: datetime | None


def shown(key: AccessKey, now: datetime) -> ShownKey:
    return ShownKey(
        key.id, key.token_prefix, key.name, list(key.roles), key.customer_id, key.state(now), key.tm_create,
        key.tm_expire, key.tm_revoke,
    )  # fmt: skip
