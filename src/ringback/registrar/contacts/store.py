"""SQL of what we last saw of each contact."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, and_, bindparam, case, cast, delete, insert, select, update

from ringback.kit.db import CHUNK, Row, Session, Statement, all_among, among, room
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


ADD = Statement(insert(contact_states), *COLUMNS)
CHANGE = Statement(update(contact_states).where(contact_states.c.id == bindparam("contact_id")), *STATE)
LONGER: Final = {str(1 << power): _longer(1 << power) for power in range(PART.bit_length())}
"""By how many places it has: many phones cost least in one statement, and one phone in one without empty places."""
DROP = Statement(delete(contact_states).where(among(contact_states.c.id, "ids")))
OF_EXTENSIONS = Statement(
    select(contact_states).where(among(contact_states.c.extension_id, "of_extensions")).order_by(contact_states.c.id)
)
DROP_ALL = Statement(delete(contact_states).where(among(contact_states.c.extension_id, "of_extensions")))
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
VERSION = Statement(update(extensions).where(among(extensions.c.id, "ids")), "contacts_version")


def to_row(contact: Contact) -> dict[str, Any]:
    return {name: getattr(contact, name) for name in STATE}


async def add(session: Session, new: Sequence[tuple[UUID, Contact]]) -> None:
    """Note contacts of extensions; one that was another extension's is this one's from now on."""
    rows = [{"id": contact.id, "extension_id": whose, **to_row(contact)} for whose, contact in new]
    if rows and not await session.insert_if_all_new(ADD, rows):
        await drop(session, [contact.id for _, contact in new])
        await session.run_each(ADD, rows)


async def change(session: Session, contacts: Sequence[Contact]) -> None:
    """Note that they are otherwise now."""
    if contacts:
        await session.run_each(CHANGE, [{"contact_id": contact.id, **to_row(contact)} for contact in contacts])


async def prolong(session: Session, ends: list[tuple[str, int]]) -> None:
    """Note until when up to `PART` contacts last: the id and the second of each."""
    size = room(ends)
    some = [*ends, *ends[-1:] * (size - len(ends))]
    values = {f"id_{place}": id for place, (id, _) in enumerate(some)}
    await session.run(LONGER[str(size)], **values, **{f"until_{place}": until for place, (_, until) in enumerate(some)})


async def drop(session: Session, ids: Sequence[str]) -> None:
    if ids:
        await session.run(DROP, ids=ids)


async def of_extensions(session: Session, ids: Sequence[UUID]) -> dict[UUID, dict[str, Contact]]:
    """The contacts of these extensions as we last saw them, by their ids."""
    found: dict[UUID, dict[str, Contact]] = {id: {} for id in ids}
    for row in await all_among(session, OF_EXTENSIONS, "of_extensions", ids):
        found[row["extension_id"]][row["id"]] = from_row(row)
    return found


async def set_version(session: Session, ids: Sequence[UUID], version: str) -> None:
    """Of the contacts of these extensions."""
    await session.run(VERSION, ids=ids, contacts_version=version)


async def drop_all(session: Session, extension_ids: Sequence[UUID]) -> None:
    await session.run(DROP_ALL, of_extensions=extension_ids)


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
