"""SQL of who rings: one indexed query over the views that Asterisk's dialplan reads too."""

from typing import Final

from sqlalchemy import Column, MetaData, String, Table, bindparam, select

from ringback.calls.routing import Called, Caller, Found, Kind
from ringback.kit.db import OWN, Session, Statement

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

BY_HASH: Final = addresses.c.hash == bindparam("hash")
ADDRESS: Final = (addresses.c.endpoint, addresses.c.status)
NUMBER = Statement(select(numbers.c.endpoint, numbers.c.status).where(numbers.c.endpoint == bindparam("wanted")))
TRUNK_NUMBER = Statement(
    select(trunk_numbers.c.endpoint, trunk_numbers.c.status).where(
        trunk_numbers.c.trunk == bindparam("caller"), trunk_numbers.c.number == bindparam("wanted")
    )
)
WAY_OUT = Statement(select(ways_out.c.trunk, ways_out.c.status).where(ways_out.c.endpoint == bindparam("caller")))
DIRECT: Final = {
    Kind.STRANGER: Statement(select(*ADDRESS).where(BY_HASH)),
    Kind.PHONE: Statement(
        select(*ADDRESS, numbers.c.status.label("caller_status")).where(
            BY_HASH, numbers.c.endpoint == bindparam("caller")
        )
    ),
    Kind.TRUNK: Statement(
        select(*ADDRESS, trunks.c.status.label("caller_status")).where(BY_HASH, trunks.c.trunk == bindparam("caller"))
    ),
}


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
    return Found(row["endpoint"], tuple(row[name] for name in ("status", "caller_status") if name in row))


async def way_out(session: Session, caller: Caller) -> Found | None:
    """The trunk that this phone calls out by."""
    row = await session.one(WAY_OUT, caller=caller.name)
    return Found(row["trunk"], (row["status"],)) if row else None
