"""What others remember of ours in a cache of theirs: noted with each change, deleted until it is gone for sure."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, and_, bindparam, delete, select
from sqlalchemy import insert as inserting
from sqlalchemy import update as updating

from ringback.kit.columns import Json, Time
from ringback.kit.db import OWN, Row, Session, Statement, among
from ringback.kit.errors import Failure

if TYPE_CHECKING:
    from ringback.kit.uow import UnitOfWork, Work

SETTLED: Final = timedelta(seconds=5)
"""By then whoever read before a change has also written what they read."""
KEEP: Final = timedelta(hours=2)
"""How long a note outlives its keys: a cache may come up again with what it had on its disk an hour ago."""
NAMES: Final = 500
"""Names of one note."""
BATCH: Final = 100
PRUNE_EVERY: Final = 600.0
POLL: Final = 1.0
"""Seconds between two looks for notes."""
OPEN: Final = ""
"""The run of a note whose keys may be there."""

metadata = MetaData(schema=OWN)
notes = Table(
    "registrar_stale_keys",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("names", Json, nullable=False),
    Column("run", String(64), nullable=False, server_default=OPEN),
    Column("tm_create", Time, nullable=False),
    Index("idx_registrar_stale_keys_run", "run", "id"),
    sqlite_autoincrement=True,
)

ADD = Statement(inserting(notes), "names", "tm_create")
DUE = Statement(
    select(notes.c.id, notes.c.names)
    .where(notes.c.run == OPEN, notes.c.tm_create <= bindparam("before", type_=Time))
    .order_by(notes.c.id)
    .limit(BATCH)
)
CLOSE = Statement(updating(notes).where(among(notes.c.id, "ids")), "run")
REOPEN = Statement(
    updating(notes).where(and_(notes.c.run != OPEN, notes.c.run != bindparam("this_run"))).values(run=OPEN)
)
OLD = Statement(
    select(notes.c.id)
    .where(notes.c.run != OPEN, notes.c.tm_create < bindparam("before", type_=Time))
    .order_by(notes.c.id)
    .limit(BATCH)
)
FORGET = Statement(delete(notes).where(among(notes.c.id, "ids")))

log = structlog.get_logger()


class Keys(Protocol):
    """The cache of somebody else."""

    async def delete(self, names: Sequence[str]) -> bool:
        """Whether they are all gone. It is quick and raises nothing."""

    async def run(self) -> str | None:
        """A name of this run of the cache's server, `None` while it is away; another one may know old keys again."""


async def note(session: Session, names: Sequence[str], now: datetime) -> None:
    """Remember to delete these keys; `now` is the moment of the commit, or just before."""
    for start in range(0, len(names), NAMES):
        await session.run(ADD, names=list(names[start : start + NAMES]), tm_create=now)


class Eraser:
    """Deletes the keys of each note when what was read before its change has been written, and again in every run."""

    def __init__(self, work: "Work[Any]", keys: Keys) -> None:
        self._work = work
        self._keys = keys
        self._run = OPEN

    async def run(self) -> None:
        """Until cancelled, by one instance at a time."""
        loop = asyncio.get_running_loop()
        prune_at = loop.time()
        while True:
            try:
                async with self._work.database.turn("stale") as ours:
                    while ours and await self.once() == BATCH:
                        pass
                    if ours and loop.time() >= prune_at:
                        await self.prune()
                        prune_at = loop.time() + PRUNE_EVERY
            except Exception as error:
                known = isinstance(error, Failure)
                log.warning("keys of others may be stale", action="redis", exc_info=None if known else error)
            await asyncio.sleep(POLL)

    async def once(self) -> int:
        """How many notes are done, of the oldest few."""
        run = await self._keys.run()
        if run is None:
            return 0
        if run != self._run:
            await self._work.write(lambda uow: uow.session.run(REOPEN, this_run=run))
            self._run = run
        done = []
        for row in await self._work.read(_due):
            if not await self._keys.delete(row["names"]):
                break
            done.append(row["id"])
        if done:
            await self._work.write(lambda uow: uow.session.run(CLOSE, run=run, ids=done))
        return len(done)

    async def prune(self) -> None:
        """Forget the notes that nobody needs any more."""
        forgotten = BATCH
        while forgotten == BATCH:
            forgotten = await self._work.write(_forget_some)
            await asyncio.sleep(0)


async def _due(uow: "UnitOfWork") -> list[Row]:
    return await uow.session.all(DUE, before=uow.now - SETTLED)


async def _forget_some(uow: "UnitOfWork") -> int:
    ids = [row["id"] for row in await uow.session.all(OLD, before=uow.now - KEEP)]
    if ids:
        await uow.session.run(FORGET, ids=ids)
    return len(ids)
