"""Where a phone is right now, and what changed since we last looked."""

from typing import Final
from uuid import UUID

from ringback.kit.pair import SecondAway
from ringback.registrar.contacts import events, history, store
from ringback.registrar.contacts.model import Cause, Contact, ContactNotFound, Refreshed, from_row
from ringback.registrar.extensions.model import Extension
from ringback.registrar.work import Seen, Uow

EMPTY_TTL: Final = 2.0
"""Seconds that "not registered" may be believed: a phone that just registered must be found soon."""


async def of_extension(uow: Uow, extension: Extension) -> Seen:
    """The contacts of a live extension that have not expired now, cached answers included."""
    cache, name = uow.memory.contacts, _version(uow, extension)
    now, ttl = uow.now.timestamp(), uow.settings.contact_cache_ttl
    seen = await cache.get(name)
    if seen is None or now >= seen.as_of.timestamp() + _believable(seen, ttl):
        seen = Seen(tuple((await _live(uow, extension))[extension.id].values()), uow.now)
        await cache.fill(name, seen, _believable(seen, ttl))
    return Seen(tuple(contact for contact in seen.contacts if contact.expiration_time > now), seen.as_of)


async def compare(uow: Uow, *extensions: Extension) -> dict[UUID, list[Contact]]:
    """Tell who registered, went or expired since we last looked; the live contacts of each. A refresh is no news."""
    seen = await store.of_extensions(uow.session, [one.id for one in extensions])
    live = await _live(uow, *extensions)
    new: list[tuple[UUID, Contact]] = []
    other: list[Contact] = []
    gone: list[str] = []
    for extension in extensions:
        before, now = seen[extension.id], live[extension.id]
        for id, contact in now.items():
            if id not in before:
                new.append((extension.id, contact))
                _tell(uow, extension, contact, "registered")
            elif before[id].state != contact.state:
                other.append(contact)
        for id in before.keys() - now.keys():
            gone.append(id)
            _tell_gone(uow, extension, before[id])
    await store.drop(uow.session, gone)  # one of them may be new elsewhere
    await store.add(uow.session, new)
    await store.change(uow.session, other)
    return {id: list(contacts.values()) for id, contacts in live.items()}


async def refresh(uow: Uow, *extensions: Extension) -> None:
    """The next read goes to the database, also one whose fill is under way; and what changed is told now."""
    await compare(uow, *extensions)
    await _outdate(uow, *extensions)


async def differing(uow: Uow, endpoint_ids: list[str]) -> set[str]:
    """Of up to `CHUNK` endpoints those whose contacts came or went since we last looked; without a lock."""
    live = await uow.sip.contact_names(endpoint_ids, uow.now)
    seen = await store.names(uow.session, endpoint_ids)
    return {live[id] for id in live.keys() - seen.keys()} | {seen[id] for id in seen.keys() - live.keys()}


async def refreshed(uow: Uow, endpoint_ids: list[str]) -> Refreshed:
    """Of up to `CHUNK` endpoints the contacts that we have seen before, as far as they are others now."""
    found = Refreshed()
    seen = await store.at_endpoints(uow.session, endpoint_ids)
    for row in await uow.sip.contacts(endpoint_ids, uow.now):
        if before := seen.get(row["id"]):
            found.note(row, before)
    return found


async def lapsed(uow: Uow, limit: int) -> list[str]:
    """The names of the endpoints of up to `limit` contacts that have expired, as far as we have seen them."""
    return await store.lapsed(uow.session, int(uow.now.timestamp()), limit)


async def forget(
    uow: Uow, extension: Extension, cause: Cause, only: str | None = None
) -> tuple[list[Contact], list[Contact]]:
    """Take a phone's contacts away, or the one whose public id is `only`: the contacts that went, and that are left.

    A phone that knows the password may register again. Where Asterisk's tables do not answer, what was last seen goes:
    a deletion does not wait for them.
    """
    try:
        live = (await compare(uow, extension))[extension.id]
    except SecondAway:
        if cause is Cause.API:
            raise
        live = list((await store.of_extensions(uow.session, [extension.id]))[extension.id].values())
    gone = [contact for contact in live if only in (None, contact.public_id)]
    if only and not gone:
        raise ContactNotFound
    await store.drop(uow.session, [contact.id for contact in gone])
    for contact in gone:
        _tell(uow, extension, contact, "unregistered", cause)
        await uow.sip.drop_contact(contact.id, extension.endpoint_id)
    if gone and cause is Cause.API:
        whose = {"id": extension.id, "customer_id": extension.customer_id}
        uow.audited("contacts", {**whose, "uris": [contact.plain_uri for contact in gone]}, None)
    if only is None:
        await uow.sip.purge(extension.endpoint_id)
    await _outdate(uow, extension)
    return gone, [contact for contact in live if contact not in gone]


async def lose(uow: Uow, *extensions: Extension) -> None:
    """Remove what others may have left behind under the names of new extensions."""
    await uow.sip.purge(*(one.endpoint_id for one in extensions))


async def _live(uow: Uow, *extensions: Extension) -> dict[UUID, dict[str, Contact]]:
    """The contacts of each of up to `CHUNK` extensions; the database may find endpoints in any letter case."""
    found: dict[UUID, dict[str, Contact]] = {one.id: {} for one in extensions}
    whose = {one.endpoint_id.lower(): found[one.id] for one in extensions}
    for row in await uow.sip.contacts([one.endpoint_id for one in extensions], uow.now):
        contact = from_row(row)
        if contact.expiration_time > uow.now.timestamp() and (its := whose.get(contact.endpoint.lower())) is not None:
            its[contact.id] = contact
    return found


def _tell_gone(uow: Uow, extension: Extension, contact: Contact) -> None:
    if contact.expiration_time <= uow.now.timestamp():
        _tell(uow, extension, contact, "expired")
    else:
        _tell(uow, extension, contact, "unregistered", Cause.REMOVED)


def _tell(uow: Uow, extension: Extension, contact: Contact, action: str, cause: str = "") -> None:
    history.note(uow, extension, contact, action, str(cause))
    event = events.of(action, extension, contact, str(cause), uow.now)
    uow.emit(event)
    uow.after(uow.memory.metrics.contact_events.labels(event.type).inc)


async def _outdate(uow: Uow, *extensions: Extension) -> None:
    """Give their contacts another version: from the commit on nobody asks for what is cached of them."""
    await store.set_version(uow.session, [one.id for one in extensions], uow.new_id().hex)
    for extension in extensions:
        uow.endpoint_changed(extension.endpoint_id)


def _version(uow: Uow, extension: Extension) -> str:
    """What the contacts are cached by: read in every request, so that no change of anybody's is ever overlooked.

    Other services do not know `contacts_version`; they set `tm_update`.
    """
    versions = (extension.id, extension.contacts_version, extension.tm_update, uow.memory.revision())
    return ":".join([extension.endpoint_id, *map(str, versions)])


def _believable(seen: Seen, ttl: float) -> float:
    """Seconds that an answer may be kept: not beyond the earliest expiry, and hardly at all when it is empty."""
    if not seen.contacts:
        return min(EMPTY_TTL, ttl)
    earliest = min(contact.expiration_time for contact in seen.contacts)
    return min(ttl, earliest - seen.as_of.timestamp())
