"""Where a phone is right now, from a cache that never shows what has expired."""

from typing import Final
from uuid import UUID

from ringback.registrar.contacts.model import from_row
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions.model import ExtensionNotFound
from ringback.registrar.work import Seen, Uow

EMPTY_TTL: Final = 2.0
"""Seconds that "not registered" may be believed: a phone that just registered must be found soon."""


async def of_number(uow: Uow, customer_id: UUID, number: str) -> Seen:
    """The contacts of a customer's number, in whatever letter case; an unknown number has none."""
    endpoint_id = await _endpoint_id(uow, customer_id, number)
    return await of_endpoint(uow, endpoint_id) if endpoint_id else Seen((), uow.now)


async def of_endpoint(uow: Uow, id: str) -> Seen:
    """The contacts of an endpoint that have not expired now, cached answers included."""
    cache = uow.memory.contacts
    seen = cache.get(id)
    if seen is None:
        begun = cache.begin()
        contacts = [from_row(row) for row in await uow.sip.contacts(id, uow.now)]
        seen = Seen(tuple(contacts), uow.now)
        cache.fill(id, begun, seen, _believable(seen, uow.settings.contact_cache_ttl))
    now = uow.now.timestamp()
    return Seen(tuple(contact for contact in seen.contacts if contact.expiration_time > now), seen.as_of)


async def refresh(uow: Uow, customer_id: UUID, number: str) -> None:
    """The next read of this number's contacts goes to the database, also one whose fill is under way."""
    if endpoint_id := await _endpoint_id(uow, customer_id, number):
        uow.memory.contacts.invalidate(endpoint_id)


async def _endpoint_id(uow: Uow, customer_id: UUID, number: str) -> str | None:
    try:
        return (await extensions.get_by_number(uow, customer_id, number)).extension.endpoint_id
    except ExtensionNotFound:
        return None


def _believable(seen: Seen, ttl: float) -> float:
    """Seconds that an answer may be kept: not beyond the earliest expiry, and hardly at all when it is empty."""
    if not seen.contacts:
        return min(EMPTY_TTL, ttl)
    earliest = min(contact.expiration_time for contact in seen.contacts)
    return min(ttl, earliest - seen.as_of.timestamp())
