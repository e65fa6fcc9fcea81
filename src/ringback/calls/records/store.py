"""SQL of calls."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, Index, Integer, MetaData, String, Table, bindparam, delete, insert, or_, select, update

from ringback.calls.records.model import Call
from ringback.kit.columns import Id, Time
from ringback.kit.db import CHUNK, OWN, Row, Session, Statement, all_among, among
from ringback.kit.listing import Listing
from ringback.kit.pages import Cursor, Page

metadata = MetaData(schema=OWN)
calls = Table(
    "ringback_calls",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id, nullable=False),
    Column("server", String(150), nullable=False),
    Column("linkedid", String(150), nullable=False),
    Column("state", String(16), nullable=False),
    Column("direction", String(16), nullable=False),
    Column("caller", String(255), nullable=False),
    Column("called", String(255), nullable=False),
    Column("caller_extension_id", Id),
    Column("called_extension_id", Id),
    Column("tm_create", Time, nullable=False),
    Column("tm_answer", Time),
    Column("tm_end", Time),
    Column("cause", Integer),
    Column("reason", String(40), nullable=False),
    Column("ended_by", String(16), nullable=False),
    Column("trunk_id", Id),
    Index("ux_ringback_calls_linked", "linkedid", unique=True),
    Index("idx_ringback_calls_page", "customer_id", "tm_create", "id"),
    Index("idx_ringback_calls_caller", "caller_extension_id", "tm_create"),
    Index("idx_ringback_calls_called", "called_extension_id", "tm_create"),
    Index("idx_ringback_calls_open", "state", "server"),
    Index("idx_ringback_calls_age", "tm_create"),
)

COLUMNS: Final = tuple(column.name for column in calls.columns)
CHANGED: Final = (
    "state",
    "direction",
    "called",
    "called_extension_id",
    "tm_answer",
    "tm_end",
    "cause",
    "reason",
    "ended_by",
    "trunk_id",
)
ADD = Statement(insert(calls), *COLUMNS)
CHANGE = Statement(update(calls).where(calls.c.id == bindparam("call_id")), *CHANGED)
ONE = Statement(select(calls).where(calls.c.id == bindparam("call_id")))
LINKED = Statement(select(calls).where(among(calls.c.linkedid, "linkedids")).with_for_update())
OPEN: Final = (
    select(calls)
    .where(
        or_(calls.c.state == "ringing", calls.c.state == "up"),
        calls.c.tm_create < bindparam("before", type_=Time),
    )
    .with_for_update()
)
OPEN_AT = Statement(OPEN.where(calls.c.server == bindparam("of_server")))
OPEN_ANYWHERE = Statement(OPEN.limit(CHUNK))
OF_CUSTOMER = Statement(
    select(calls.c.id)
    .where(calls.c.customer_id == bindparam("owner"), calls.c.id > bindparam("after"))
    .order_by(calls.c.id)
    .limit(CHUNK)
)
OLD = Statement(select(calls.c.id).where(calls.c.tm_create < bindparam("before", type_=Time)).limit(CHUNK))
DROP = Statement(delete(calls).where(among(calls.c.id, "ids")))


def to_row(call: Call) -> dict[str, Any]:
    return {name: getattr(call, name) for name in COLUMNS}


def from_row(row: Row) -> Call:
    return Call(**{name: row[name] for name in COLUMNS})


async def add(session: Session, calls: Sequence[Call]) -> None:
    """All of them."""
    await session.run_each(ADD, [to_row(call) for call in calls])


async def change(session: Session, call: Call) -> None:
    row = to_row(call)
    await session.run(CHANGE, call_id=call.id, **{name: row[name] for name in CHANGED})


async def one(session: Session, id: UUID) -> Call | None:
    row = await session.one(ONE, call_id=id)
    return from_row(row) if row else None


async def linked(session: Session, linkedids: Sequence[str]) -> list[Call]:
    """Those calls that there are of what Asterisk calls so, locked."""
    return [from_row(row) for row in await all_among(session, LINKED, "linkedids", linkedids)]


async def open_before(session: Session, server: str, moment: datetime) -> list[Call]:
    """The calls of that Asterisk that began before and have not ended, locked."""
    return [from_row(row) for row in await session.all(OPEN_AT, of_server=server, before=moment)]


async def open_since(session: Session, moment: datetime) -> list[Call]:
    """Some calls that began before and have not ended, locked."""
    return [from_row(row) for row in await session.all(OPEN_ANYWHERE, before=moment)]


async def drop_some(session: Session, customer_id: UUID, after: UUID) -> UUID | None:
    """Delete some of the customer's, behind `after` by id: the id of the last one, or `None` when there is none."""
    ids: list[UUID] = [row["id"] for row in await session.all(OF_CUSTOMER, owner=customer_id, after=after)]
    if not ids:
        return None
    await session.run(DROP, ids=ids)
    return ids[-1]


async def drop_old(session: Session, before: datetime) -> int:
    """Delete some of those that began before; how many."""
    ids = [row["id"] for row in await session.all(OLD, before=before)]
    return await session.run(DROP, ids=ids) if ids else 0


OF_EXTENSION: Final = or_(
    calls.c.caller_extension_id == bindparam("of_extension", type_=Id),
    calls.c.called_extension_id == bindparam("of_extension", type_=Id),
)
SINCE: Final = calls.c.tm_create >= bindparam("since", type_=Time)
LISTINGS: Final = {
    (of, since): Listing(
        calls, select(calls).where(*([OF_EXTENSION] if of else []), *([SINCE] if since else [])), from_row
    )
    for of in (False, True)
    for since in (False, True)
}


async def page(
    session: Session,
    wanted: Mapping[str, Any],
    cursor: Cursor | None,
    size: int,
    extension_id: UUID | None,
    since: datetime | None,
) -> Page[Call]:
    """One page, newest first; where asked, of the calls that the extension made or got, or that began since then."""
    more = {name: value for name, value in (("of_extension", extension_id), ("since", since)) if value is not None}
    listing = LISTINGS[extension_id is not None, since is not None]
    return await listing.page(session, wanted, cursor, size, deleted=False, **more)
