"""News about trunks."""

from ringback.kit.events import Event
from ringback.registrar.events import PUBLISHER
from ringback.registrar.trunks.model import Trunk
from ringback.registrar.trunks.wire import news


def _event(action: str, trunk: Trunk) -> Event:
    return Event(PUBLISHER, f"trunk_{action}", trunk.id, trunk.id, news(trunk))


def created(trunk: Trunk) -> Event:
    return _event("created", trunk)


def updated(trunk: Trunk) -> Event:
    return _event("updated", trunk)


def deleted(trunk: Trunk) -> Event:
    return _event("deleted", trunk)
