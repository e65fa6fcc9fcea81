"""SQL of who rings: one indexed query over the views that Asterisk's dialplan reads too."""

from typing import Final

from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, func, select

from ringback.calls.routing import Called, Caller, Found, Kind, Screen
from ringback.kit.db import OWN, Row, Session, Statement

metadata = MetaData(schema=OWN)
STATUS: Final = ("status", String(16))
numbers = Table("ringback_extensions", metadata, Column("endpoint", String(255)), Column(*STATUS))
addresses = Table(
    "ringback_addresses", metadata, Column("hash", String(64)), Column("endpoint", String(255)), Column(*STATUS)
)
trunks = Table("ringback_trunks", metadata, Column("trunk", String(255)), Column(*STATUS))
trunk_numbers = Table(
    "ringback_trunk_numbers",
    metadata,
    Column("trunk", String(255)),
    Column("number", String(255)),
    Column("endpoint", String(255)),
    Column(*STATUS),
)
ways_out = Table(
    "ringback_ways_out", metadata, Column("endpoint", String(255)), Column("trunk", String(255)), Column(*STATUS)
)

owners = Table(
    "ringback_direct_owners",
    metadata,
    Column("hash", String(64)),
    Column("customer", String(36)),
    Column("extension", String(36)),
)
screens = Table(
    "ringback_screens",
    metadata,
    Column("customer", String(36)),
    Column("policy", String(255)),
    Column("fails", String(8)),
    Column("deadline_ms", Integer),
)

NUMBER = Statement(select(numbers.c.endpoint, numbers.c.status).where(numbers.c.endpoint == bindparam("wanted")))
TRUNK_NUMBER = Statement(
    select(trunk_numbers.c.endpoint, trunk_numbers.c.status).where(
        trunk_numbers.c.trunk == bindparam("caller"), trunk_numbers.c.number == bindparam("wanted")
    )
)
WAY_OUT = Statement(select(ways_out.c.trunk, ways_out.c.status).where(ways_out.c.endpoint == bindparam("caller")))
SCREENED: Final = addresses.join(owners, owners.c.hash == addresses.c.hash).outerjoin(
    screens, screens.c.customer == owners.c.customer
)
SCREEN: Final = (screens.c.fails, screens.c.deadline_ms, screens.c.policy, owners.c.customer, owners.c.extension)
ADDRESS: Final = (
    select(addresses.c.endpoint, addresses.c.status, *SCREEN)
    .select_from(SCREENED)
    .where(addresses.c.hash == bindparam("hash"))
)
DIRECT: Final = {
    Kind.STRANGER: Statement(ADDRESS),
    Kind.PHONE: Statement(
        ADDRESS.add_columns(numbers.c.status.label("caller_status")).where(numbers.c.endpoint == bindparam("caller"))
    ),
    Kind.TRUNK: Statement(
        ADDRESS.add_columns(trunks.c.status.label("caller_status")).where(trunks.c.trunk == bindparam("caller"))
    ),
}

COUNT = Statement(select(func.count().label("count")).select_from(screens))


async def find(session: Session, caller: Caller, called: Called) -> Found | None:
    """Who is called, if this caller can call them at all: no number is found but of the caller's customer."""
    values = {} if caller.kind is Kind.STRANGER else {"caller": caller.name}
    if called.hash:
        row = await session.one(DIRECT[caller.kind], hash=called.hash, **values)
    elif caller.kind is Kind.PHONE:
        row = await session.one(NUMBER, wanted=f"{called.number}@{caller.realm}")
    else:
        row = await session.one(TRUNK_NUMBER, wanted=called.number.lower(), **values)
    if row is None:
        return None
    statuses = tuple(row[name] for name in ("status", "caller_status") if name in row)
    return Found(row["endpoint"], statuses, _screen(row) if row.get("fails") else None)


def _screen(row: Row) -> Screen:
    return Screen(*(row[column.name] for column in SCREEN))


async def way_out(session: Session, caller: Caller) -> Found | None:
    """The trunk that this phone calls out by."""
    row = await session.one(WAY_OUT, caller=caller.name)
    return Found(row["trunk"], (row["status"],)) if row else None


async def screened(session: Session) -> int:
    """How many customers have a policy for calls to their direct addresses."""
    row = await session.one(COUNT)
    return int(row["count"]) if row else 0
