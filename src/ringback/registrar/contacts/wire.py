"""Contacts as JSON."""

from datetime import datetime
from typing import Annotated

import msgspec

from ringback.kit.reading import Asked, Identity, rule
from ringback.registrar.contacts.model import Contact
from ringback.registrar.work import Seen


class OfExtension(Asked, frozen=True, kw_only=True):
    """Whose contacts a peer asks for."""

    customer_id: Identity
    extension: Annotated[str, rule("not empty", bool)]


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


def public(contact: Contact, now: datetime) -> RegistrarManagerContact:
    same = ("transport", "user_agent", "via_addr", "via_port", "path", "reg_server", "call_id", "expire_time")
    return RegistrarManagerContact(
        id=contact.public_id,
        uri=contact.plain_uri,
        expires_in=max(0, contact.expiration_time - int(now.timestamp())),
        **{name: getattr(contact, name) for name in same},
    )


def whole(seen: Seen, now: datetime) -> Contacts:
    shown = [public(contact, now) for contact in seen.contacts]
    return Contacts(shown, "", registered=bool(shown), as_of=seen.as_of)
