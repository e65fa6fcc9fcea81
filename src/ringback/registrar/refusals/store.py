"""SQL of refusals: one row for each phone that was refused of late."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from ringback.kit.db import CHUNK, Session, Statement, among
from ringback.registrar.tables import refusals
from ringback.sip.ami_events import Refusal

ADD = Statement(insert(refusals), "endpoint_id", "told", "tm_update")
CHANGE = Statement(update(refusals).where(refusals.c.endpoint_id == bindparam("name")), "told", "tm_update")
OF = Statement(select(refusals.c.told).where(refusals.c.endpoint_id == bindparam("name")))
OLD = Statement(
    select(refusals.c.endpoint_id)
    .where(refusals.c.tm_update < bindparam("until"))
    .order_by(refusals.c.tm_update)
    .limit(CHUNK)
)
REMOVE = Statement(delete(refusals).where(among(refusals.c.endpoint_id, "names")))
READ: Final = msgspec.json.Decoder(tuple[Refusal, ...])


async def of(session: Session, endpoint_id: str) -> tuple[Refusal, ...]:
    """What is kept of one phone, oldest first."""
    row = await session.one(OF, name=endpoint_id)
    return READ.decode(row["told"]) if row else ()


async def put(session: Session, endpoint_id: str, found: Iterable[Refusal], now: datetime) -> None:
    """In place of what was there."""
    row = {"told": msgspec.json.encode(list(found)).decode(), "tm_update": now}
    if not await session.insert_if_new(ADD, endpoint_id=endpoint_id, **row):
        await session.run(CHANGE, name=endpoint_id, **row)


async def old(session: Session, until: datetime) -> list[str]:
    """Up to `CHUNK` phones that were not refused since."""
    return [row["endpoint_id"] for row in await session.all(OLD, until=until)]


async def remove(session: Session, names: list[str]) -> None:
    """Of up to `CHUNK` phones."""
    await session.run(REMOVE, names=names)
