"""Contacts as JSON."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from ringback.kit.pages import LARGEST, Page, PageSize, PageToken
from ringback.kit.reading import Asked, Identity, rule
from ringback.registrar.contacts.model import Contact, Entry, Summary, plain
from ringback.registrar.extensions.model import Extension
from ringback.registrar.work import Seen


class OfExtension(Asked, frozen=True, kw_only=True):
    """Whose contacts a peer asks for."""

    customer_id: Identity
    extension: Annotated[str, rule("not empty", bool)]


class ContactsToForget(OfExtension, frozen=True, kw_only=True):
    """Which of them a peer takes away: all, or the one whose row has this id."""

    id: str = ""


class RegistrarManagerContact(msgspec.Struct, frozen=True):
    """A contact as customers see it (registrar 18.3); `expires_in` is in seconds."""

    id: str
    uri: str
    transport: str
    user_agent: str
    via_addr: str
    via_port: int
    path: str
    reg_server: str
    call_id: str
    expire_time: datetime
    expires_in: int


class Contacts(msgspec.Struct, frozen=True):
    """Where a phone is, as of when."""

    result: list[RegistrarManagerContact]
    next_page_token: str
    registered: bool
    as_of: datetime


class ContactNews(msgspec.Struct, frozen=True):
    """A contact in an event (registrar 15); `cause` says why it went before its time."""

    id: str
    customer_id: UUID
    extension_id: UUID
    extension: str
    realm: str
    uri: str
    transport: str
    user_agent: str
    via_addr: str
    via_port: int
    path: str
    reg_server: str
    call_id: str
    expire_time: datetime
    cause: str
    tm_event: datetime


class HistoryQuery(Asked, frozen=True, kw_only=True):
    """Which page of a phone's history."""

    page_size: PageSize = LARGEST
    page_token: PageToken | None = None


class ContactEntry(msgspec.Struct, frozen=True):
    """What became of a contact: `event` is registered, unregistered or expired; `cause` as in the event."""

    id: UUID
    event: str
    cause: str
    contact_id: str
    uri: str
    transport: str
    user_agent: str
    via_addr: str
    via_port: int
    path: str
    reg_server: str
    tm_create: datetime


class ContactHistory(msgspec.Struct, frozen=True):
    """A phone's history, newest first, and what it comes to; `last_seen` is now while the phone is registered."""

    result: list[ContactEntry]
    next_page_token: str
    last_seen: datetime | None
    address_changes: int
    flaps_last_hour: int


TEXTS: Final = ("user_agent", "via_addr", "path", "reg_server", "call_id")
ENTRY: Final = tuple(name for name in ContactEntry.__struct_fields__ if name != "contact_id")


def news(extension: Extension, contact: Contact, cause: str, now: datetime) -> ContactNews:
    return ContactNews(
        customer_id=extension.customer_id,
        extension_id=extension.id,
        extension=extension.number,
        realm=extension.realm,
        cause=cause,
        tm_event=now,
        **_told(contact),
    )


def public(contact: Contact, now: datetime) -> RegistrarManagerContact:
    expires_in = max(0, int(contact.expire_time.timestamp()) - int(now.timestamp()))
    return RegistrarManagerContact(expires_in=expires_in, **_told(contact))


def _told(contact: Contact) -> dict[str, Any]:
    """What customers and events are told of a contact alike."""
    return {
        "id": contact.public_id,
        "uri": contact.plain_uri,
        "transport": contact.transport,
        "via_port": contact.via_port,
        "expire_time": contact.expire_time,
        **{name: plain(getattr(contact, name)) for name in TEXTS},
    }


def entry(of: Entry) -> ContactEntry:
    return ContactEntry(contact_id=of.contact, **{name: getattr(of, name) for name in ENTRY})


def history(page: Page[Entry], summary: Summary) -> ContactHistory:
    return ContactHistory(
        list(map(entry, page.items)), page.next_token, summary.last_seen, summary.address_changes,
        summary.flaps_last_hour,
    )  # fmt: skip


def whole(seen: Seen, now: datetime, *, registered: bool | None = None) -> Contacts:
    """These contacts; the phone is registered if there are any, unless the caller knows better."""
    shown = [public(contact, now) for contact in seen.contacts]
    return Contacts(shown, "", registered=bool(shown) if registered is None else registered, as_of=seen.as_of)
