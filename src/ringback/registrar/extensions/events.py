"""News about extensions."""

from ringback.kit.events import Event
from ringback.registrar.events import PUBLISHER
from ringback.registrar.extensions.model import Extension
from ringback.registrar.extensions.wire import news


def _event(action: str, extension: Extension, domain: str) -> Event:
    return Event(PUBLISHER, f"extension_{action}", extension.id, extension.id, news(extension, domain))


def created(extension: Extension, domain: str) -> Event:
    return _event("created", extension, domain)


def updated(extension: Extension, domain: str) -> Event:
    return _event("updated", extension, domain)


def deleted(extension: Extension, domain: str) -> Event:
    return _event("deleted", extension, domain)
