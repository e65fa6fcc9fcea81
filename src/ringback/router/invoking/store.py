"""SQL of what the nodes have counted of calls."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, insert, select, update

from ringback.kit.db import Row, Session, Statement, among
from ringback.router.tables import extensions, health

SOME: Final = 100
"""Counts that are moved in one transaction."""
COUNTED: Final = tuple(column.name for column in health.columns)
IS_COUNT: Final = (health.c.extension_id == bindparam("extension")) & (health.c.node_id == bindparam("of"))
COUNTS = Statement(
    select(health).where(health.c.node_id == bindparam("of")).order_by(health.c.extension_id).limit(SOME)
)
COUNT = Statement(select(health).where(IS_COUNT).with_for_update())
ADD_COUNT = Statement(insert(health), *COUNTED)
CHANGE_COUNT = Statement(
    update(health).where(IS_COUNT), *(name for name in COUNTED if name not in ("extension_id", "node_id"))
)
DROP_COUNT = Statement(delete(health).where(IS_COUNT))
OWN = Statement(
    select(health).where(health.c.node_id == bindparam("of"), among(health.c.extension_id, "ids")).with_for_update()
)
THERE = Statement(select(extensions.c.id).where(among(extensions.c.id, "ids")))
SINCE = Statement(select(health.c.extension_id).distinct().where(health.c.updated_at >= bindparam("moment")))
ENDED: Final = {
    "window_success": 0, "window_failure": 0, "latency_samples": 0, "histogram": {}, "p50_latency_ms": None,
    "p95_latency_ms": None, "p99_latency_ms": None, "circuit_breaker_state": None, "circuit_breaker_opened_at": None,
    "circuit_breaker_reason": None,
}  # fmt: skip
"""What is left of a window and of a breaker when the memory that they were in is gone."""
END = Statement(update(health).where(health.c.node_id == bindparam("of")), *ENDED)


async def counts(session: Session, id: str) -> list[Row]:
    """Some of what a node has counted; none when all is moved."""
    return await session.all(COUNTS, of=id)


async def count(session: Session, extension: str, id: str) -> Row | None:
    """What a node has counted of an extension, as it is until the end of the transaction."""
    return await session.one(COUNT, extension=extension, of=id)


async def put_count(session: Session, row: Row, *, new: bool) -> None:
    """Write what a node has counted of an extension."""
    values = dict(row)
    if new:
        await session.run(ADD_COUNT, **values)
    else:
        await session.run(CHANGE_COUNT, extension=values.pop("extension_id"), of=values.pop("node_id"), **values)


async def drop_count(session: Session, row: Row) -> None:
    await session.run(DROP_COUNT, extension=row["extension_id"], of=row["node_id"])


async def own(session: Session, node: str, ids: list[str]) -> dict[str, Row]:
    """What a node has written of some of them (at most a hundred), as it is until the end of the transaction."""
    return {row["extension_id"]: row for row in await session.all(OWN, of=node, ids=ids)}


async def there(session: Session, ids: list[str]) -> set[str]:
    """Which of them (at most a hundred) have a row, be it that of a deleted one."""
    return {row["id"] for row in await session.all(THERE, ids=ids)}


async def changed_since(session: Session, moment: datetime) -> list[str]:
    """Ids of those of whom any node has written since."""
    return [row["extension_id"] for row in await session.all(SINCE, moment=moment)]


async def end(session: Session, node: str) -> None:
    """A node begins, or ends: what it knew of the last minutes is no more."""
    await session.run(END, of=node, **ENDED)
