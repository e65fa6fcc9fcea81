"""News about contacts."""

from datetime import datetime

from ringback.kit.events import Event
from ringback.registrar.contacts.model import Contact
from ringback.registrar.contacts.wire import news
from ringback.registrar.events import PUBLISHER
from ringback.registrar.extensions.model import Extension


def of(action: str, extension: Extension, contact: Contact, cause: str, now: datetime) -> Event:
    """`action` is `registered`, `unregistered` or `expired`; `cause` says why one went before its time, else empty."""
    return Event(PUBLISHER, f"contact_{action}", extension.id, extension.id, news(extension, contact, cause, now))
