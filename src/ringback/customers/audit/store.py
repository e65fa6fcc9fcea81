"""SQL that reads the audit log and takes out of it what must not stay; `kit/audit.py` writes it."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Column, ColumnElement, MetaData, Table, bindparam, delete, insert, select

from ringback.customers.audit.model import Removal
from ringback.kit.audit import BATCH, entries
from ringback.kit.columns import Id, Time
from ringback.kit.db import CHUNK, OWN, Row, Session, Statement, among

metadata = MetaData(schema=OWN)
erasures = Table(
    "ringback_audit_erasures",
    metadata,
    Column("object_id", Id, primary_key=True),
    Column("tm_create", Time, nullable=False),
)
removals = Table(
    "ringback_audit_removals",
    metadata,
    Column("id", Id, primary_key=True),
    Column("last_number", BigInteger, nullable=False),
    Column("tm_until", Time, nullable=False),
    Column("tm_create", Time, nullable=False),
)
IS: Final[Mapping[str, ColumnElement[bool]]] = {
    **{name: entries.c[name] == bindparam(name) for name in ("customer_id", "object_id", "kind", "actor", "action")},
    "since": entries.c.tm >= bindparam("since"),
    "until": entries.c.tm < bindparam("until"),
}
"""Filters of a list."""
ONE = Statement(select(entries).where(entries.c.id == bindparam("of")))
BEHIND = Statement(
    select(entries.c.id, entries.c.tm).where(entries.c.id > bindparam("after")).order_by(entries.c.id).limit(CHUNK)
)
REMOVABLE = Statement(
    select(entries.c.id)
    .where(entries.c.id <= bindparam("last"), entries.c.tm < bindparam("until", type_=Time))
    .order_by(entries.c.id)
    .limit(BATCH)
)
REMOVE = Statement(delete(entries).where(among(entries.c.id, "ids")))
ADD_ERASURE = Statement(insert(erasures), "object_id", "tm_create")
ERASURES = Statement(select(erasures.c.object_id).order_by(erasures.c.tm_create).limit(CHUNK))
DROP_ERASURE = Statement(delete(erasures).where(erasures.c.object_id == bindparam("of")))
ADD_REMOVAL = Statement(insert(removals), "id", "last_number", "tm_until", "tm_create")
REMOVALS = Statement(select(removals).order_by(removals.c.tm_create).limit(1))
DROP_REMOVAL = Statement(delete(removals).where(removals.c.id == bindparam("of")))


async def newest(session: Session, wanted: Mapping[str, Any], before: int, size: int) -> list[Row]:
    """Up to `size` entries below that number, newest first."""
    return await session.all(_finding(tuple(sorted(wanted))), **wanted, before=before, size=size)


async def one(session: Session, id: int) -> Row | None:
    return await session.one(ONE, of=id)


async def behind(session: Session, number: int) -> list[Row]:
    """Numbers and times of up to `CHUNK` entries behind that one, oldest first."""
    return await session.all(BEHIND, after=number)


async def add_erasure(session: Session, object_id: UUID, now: datetime) -> None:
    await session.insert_if_new(ADD_ERASURE, object_id=object_id, tm_create=now)


async def erasures_begun(session: Session) -> list[UUID]:
    """Ids of objects whose entries are to be erased, up to `CHUNK`."""
    return [row["object_id"] for row in await session.all(ERASURES)]


async def drop_erasure(session: Session, object_id: UUID) -> None:
    await session.run(DROP_ERASURE, of=object_id)


async def add_removal(session: Session, removal: Removal, now: datetime) -> None:
    values = {"id": removal.id, "last_number": removal.last_number, "tm_until": removal.tm_until, "tm_create": now}
    await session.run(ADD_REMOVAL, **values)


async def removal(session: Session) -> Removal | None:
    """The one that was begun."""
    row = await session.one(REMOVALS)
    return Removal(row["id"], row["last_number"], row["tm_until"]) if row else None


async def remove(session: Session, of: Removal) -> int:
    """Delete up to `BATCH` entries that are to go; how many."""
    ids = [row["id"] for row in await session.all(REMOVABLE, last=of.last_number, until=of.tm_until)]
    return await session.run(REMOVE, ids=ids) if ids else 0


async def drop_removal(session: Session, id: UUID) -> None:
    await session.run(DROP_REMOVAL, of=id)


@cache
def _finding(names: tuple[str, ...]) -> Statement:
    return Statement(
        select(entries)
        .where(entries.c.id < bindparam("before"), *(IS[name] for name in names))
        .order_by(entries.c.id.desc())
        .limit(bindparam("size"))
    )
