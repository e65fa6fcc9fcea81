"""SQL of what we last saw of each contact."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, and_, bindparam, case, cast, delete, insert, select, update

from ringback.kit.db import CHUNK, Row, Session, Statement, among, room
from ringback.kit.listing import Listing
from ringback.kit.pages import Cursor, Page
from ringback.registrar.contacts.model import STATE, Contact, Entry, from_row
from ringback.registrar.tables import contact_history, contact_states, extensions

PART: Final = 64
"""Contacts whose time is noted in one statement."""
COLUMNS: Final = ("id", "extension_id", *STATE)


def _longer(places: int) -> Statement:
    one = contact_states.c.id
    ids: list[Any] = [bindparam(f"id_{place}") for place in range(places)]
    until = [cast(bindparam(f"until_{place}", type_=BigInteger), BigInteger) for place in range(places)]
    return Statement(
        update(contact_states)
        .where(one.in_(ids))
        .values(expiration_time=case(*((one == id, time) for id, time in zip(ids, until, strict=True))))
    )


IS_ID: Final = contact_states.c.id == bindparam("contact_id")
ADD = Statement(insert(contact_states), *COLUMNS)
CHANGE = Statement(update(contact_states).where(IS_ID), *STATE)
LONGER: Final = {str(1 << power): _longer(1 << power) for power in range(PART.bit_length())}
"""By how many places it has: many phones cost least in one statement, and one phone in one without empty places."""
DROP = Statement(delete(contact_states).where(IS_ID))
OF_EXTENSION = Statement(
    select(contact_states)
    .where(contact_states.c.extension_id == bindparam("of_extension"))
    .order_by(contact_states.c.id)
)
DROP_ALL = Statement(delete(contact_states).where(contact_states.c.extension_id == bindparam("of_extension")))
OF_LIVE: Final = and_(extensions.c.id == contact_states.c.extension_id, extensions.c.tm_delete.is_(None))
BEHIND = Statement(
    select(contact_states.c.id, contact_states.c.extension_id, extensions.c.endpoint_id)
    .outerjoin(extensions, OF_LIVE)
    .where(contact_states.c.id > bindparam("after"))
    .order_by(contact_states.c.id)
    .limit(bindparam("size"))
)
KNOWN = Statement(
    select(contact_states.c.id, *(contact_states.c[name] for name in STATE), extensions.c.endpoint_id)
    .outerjoin(extensions, OF_LIVE)
    .where(among(contact_states.c.id, "ids"))
)

AT_ENDPOINTS = Statement(
    select(contact_states, extensions.c.endpoint_id)
    .join(extensions, OF_LIVE)
    .where(among(extensions.c.endpoint_id, "names"))
)
NAMES = Statement(
    select(contact_states.c.id, extensions.c.endpoint_id)
    .join(extensions, OF_LIVE)
    .where(among(extensions.c.endpoint_id, "names"))
)
LAPSED = Statement(
    select(extensions.c.endpoint_id)
    .join(contact_states, contact_states.c.extension_id == extensions.c.id)
    .where(extensions.c.tm_delete.is_(None), contact_states.c.expiration_time <= bindparam("now"))
    .order_by(contact_states.c.expiration_time)
    .limit(bindparam("size"))
)
ENTRY: Final = tuple(column.name for column in contact_history.columns)
ADD_ENTRY = Statement(insert(contact_history), *ENTRY)
OF_CUSTOMER = Statement(
    select(contact_history.c.id)
    .where(contact_history.c.customer_id == bindparam("owner"), contact_history.c.id > bindparam("after"))
    .order_by(contact_history.c.id)
    .limit(CHUNK)
)
OLD = Statement(
    select(contact_history.c.id)
    .where(contact_history.c.tm_create < bindparam("until"))
    .order_by(contact_history.c.tm_create)
    .limit(CHUNK)
)
REMOVE_ENTRIES = Statement(delete(contact_history).where(among(contact_history.c.id, "ids")))
VERSION = Statement(update(extensions).where(extensions.c.id == bindparam("extension_id")), "contacts_version")


def to_row(contact: Contact) -> dict[str, Any]:
    return {name: getattr(contact, name) for name in STATE}


async def add(session: Session, extension_id: UUID, contact: Contact) -> None:
    """Note a contact; one that was another extension's is this one's from now on."""
    row = {"id": contact.id, "extension_id": extension_id, **to_row(contact)}
    if not await session.insert_if_new(ADD, **row):
        await drop(session, contact.id)
        await session.run(ADD, **row)


async def change(session: Session, contact: Contact) -> None:
    await session.run(CHANGE, contact_id=contact.id, **to_row(contact))


async def prolong(session: Session, contacts: list[Contact]) -> None:
    """Note until when up to `PART` contacts last."""
    size = room(contacts)
    some = contacts + contacts[-1:] * (size - len(contacts))
    until = {f"until_{place}": contact.expiration_time for place, contact in enumerate(some)}
    await session.run(LONGER[str(size)], **{f"id_{place}": one.id for place, one in enumerate(some)}, **until)


async def drop(session: Session, id: str) -> None:
    await session.run(DROP, contact_id=id)


async def of_extension(session: Session, extension_id: UUID) -> dict[str, Contact]:
    """The extension's contacts as we last saw them, by id."""
    return {row["id"]: from_row(row) for row in await session.all(OF_EXTENSION, of_extension=extension_id)}


async def set_version(session: Session, extension_id: UUID, version: str) -> None:
    await session.run(VERSION, extension_id=extension_id, contacts_version=version)


async def drop_all(session: Session, extension_id: UUID) -> None:
    await session.run(DROP_ALL, of_extension=extension_id)


async def behind(session: Session, id: str, limit: int) -> list[Row]:
    """Whose up to `limit` contacts behind `id` are, by id, with the endpoint name of the extension, if that lives."""
    return await session.all(BEHIND, after=id, size=limit)


async def known(session: Session, ids: list[str]) -> dict[str, Row]:
    """What we have seen of up to `CHUNK` contacts, by id, with the endpoint name of the extension, if that lives."""
    return {row["id"]: row for row in await session.all(KNOWN, ids=ids)}


async def at_endpoints(session: Session, names: list[str]) -> dict[str, Row]:
    """What we have seen of up to `CHUNK` endpoints of live extensions, by the contacts' ids."""
    return {row["id"]: row for row in await session.all(AT_ENDPOINTS, names=names)}


async def names(session: Session, names: list[str]) -> dict[str, str]:
    """Whose contacts we have seen of up to `CHUNK` endpoints of live extensions: an endpoint's name by each id."""
    return {row["id"]: row["endpoint_id"] for row in await session.all(NAMES, names=names)}


async def lapsed(session: Session, now: int, limit: int) -> list[str]:
    """The endpoint of each of up to `limit` contacts that expired by `now`, longest ago first."""
    return [row["endpoint_id"] for row in await session.all(LAPSED, now=now, size=limit)]


async def entries(session: Session, extension_id: UUID, cursor: Cursor | None, size: int) -> Page[Entry]:
    """One page of a phone's history."""
    return await HISTORY.page(session, {"extension_id": extension_id}, cursor, size, deleted=False)


async def erase_entries(session: Session, customer_id: UUID, after: UUID) -> UUID | None:
    """Delete up to `CHUNK` entries of a customer, by id, behind `after`: the last id, or `None` where none is left."""
    ids = [row["id"] for row in await session.all(OF_CUSTOMER, owner=customer_id, after=after)]
    await _remove(session, ids)
    return ids[-1] if ids else None


async def remove_entries(session: Session, until: datetime) -> int:
    """Delete up to `CHUNK` entries that are older; how many."""
    ids = [row["id"] for row in await session.all(OLD, until=until)]
    await _remove(session, ids)
    return len(ids)


async def _remove(session: Session, ids: list[UUID]) -> None:
    if ids:
        await session.run(REMOVE_ENTRIES, ids=ids)


HISTORY: Final = Listing(contact_history, select(contact_history), lambda row: Entry(**row))
