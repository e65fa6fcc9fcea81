"""SQL of the nodes."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, insert, select, update

from ringback.kit.db import Row, Session, Statement
from ringback.router.nodes.model import RouterNode, Served
from ringback.router.tables import nodes

COLUMNS: Final = tuple(column.name for column in nodes.columns)
IS_ONE: Final = nodes.c.node_id == bindparam("of")

ADD = Statement(insert(nodes), *COLUMNS)
CHANGE = Statement(update(nodes).where(IS_ONE), *(name for name in COLUMNS if name != "node_id"))
REMOVE = Statement(delete(nodes).where(IS_ONE))
ALL = Statement(select(nodes).order_by(nodes.c.node_id))
LOCKED = Statement(select(nodes).where(IS_ONE).with_for_update())


def from_row(row: Row) -> RouterNode:
    nack = row["nack"] if isinstance(row["nack"], list) else []
    return RouterNode(
        row["node_id"], Served(row["applied_revision"], row["checksum"], row["source"], nack), row["last_seen"]
    )


async def put(session: Session, id: str, served: Served, now: datetime) -> None:
    """It is there now, and serves this."""
    row = {
        "applied_revision": served.applied_revision,
        "checksum": served.checksum,
        "source": served.source,
        "nack": list(served.nack) or None,
        "last_seen": now,
    }
    if not await session.run(CHANGE, of=id, **row):
        await session.insert_if_new(ADD, node_id=id, **row)


async def every(session: Session) -> list[RouterNode]:
    """All that are known, by name."""
    return [from_row(row) for row in await session.all(ALL)]


async def one(session: Session, id: str) -> RouterNode | None:
    """One, as it is until the end of the transaction."""
    row = await session.one(LOCKED, of=id)
    return from_row(row) if row else None


async def remove(session: Session, id: str) -> None:
    """It is gone."""
    await session.run(REMOVE, of=id)
