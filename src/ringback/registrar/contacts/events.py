"""News about contacts."""

from datetime import datetime

from ringback.kit.events import Event
from ringback.registrar.contacts.model import Cause, Contact
from ringback.registrar.contacts.wire import news
from ringback.registrar.events import PUBLISHER
from ringback.registrar.extensions.model import Extension


def _event(action: str, extension: Extension, contact: Contact, cause: str, now: datetime) -> Event:
    return Event(PUBLISHER, f"contact_{action}", extension.id, extension.id, news(extension, contact, cause, now))


def registered(extension: Extension, contact: Contact, now: datetime) -> Event:
    return _event("registered", extension, contact, "", now)


def expired(extension: Extension, contact: Contact, now: datetime) -> Event:
    return _event("expired", extension, contact, "", now)


def unregistered(extension: Extension, contact: Contact, cause: Cause, now: datetime) -> Event:
    return _event("unregistered", extension, contact, cause.value, now)
