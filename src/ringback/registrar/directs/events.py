"""News about direct addresses."""

from ringback.kit.events import Event
from ringback.registrar.directs.model import Direct
from ringback.registrar.directs.wire import news
from ringback.registrar.events import PUBLISHER


def _event(action: str, direct: Direct, domain: str) -> Event:
    return Event(
        PUBLISHER, f"extension_direct_{action}", direct.extension_id, direct.extension_id, news(direct, domain)
    )


def created(direct: Direct, domain: str) -> Event:
    return _event("created", direct, domain)


def updated(direct: Direct, domain: str) -> Event:
    return _event("updated", direct, domain)


def deleted(direct: Direct, domain: str) -> Event:
    return _event("deleted", direct, domain)
