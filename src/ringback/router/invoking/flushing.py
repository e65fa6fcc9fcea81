"""Writes what was counted of calls, at intervals and at a stop, and looks what other nodes have written (R-7a)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec

from ringback.kit.chores import Outage
from ringback.kit.pages import LARGEST
from ringback.kit.uow import Work
from ringback.router.extensions import wire
from ringback.router.extensions.health import healths_of
from ringback.router.extensions.registry import EMPTY, Registry
from ringback.router.invoking import store
from ringback.router.invoking.circuits import Circuit
from ringback.router.invoking.rows import row_of
from ringback.router.work import Uow

APART: Final = timedelta(seconds=30)
"""By which the times of two nodes may differ."""

BEFORE: Final = datetime(2000, 1, 1, tzinfo=UTC)


def unheard(id: str, health: dict[str, Any]) -> None: ...


class Flush:
    """Of the calls nothing is lost while the database is away: they stay counted until they are written."""

    def __init__(
        self,
        work: Work[Uow],
        registry: Registry,
        *,
        interval: float,
        tell: Callable[[str, dict[str, Any]], None] = unheard,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`interval` is in seconds; `tell` hears how each does of whom something was written."""
        self._work = work
        self._registry = registry
        self._interval = interval
        self._tell = tell
        self._pause = pause
        self._looked = BEFORE
        self._outage = Outage("health", "what was counted of calls is not written")
        self._has_begun = False

    async def run(self) -> None:
        """Until cancelled; then all is written, and this node has no window and no breaker any more."""
        try:
            while True:
                await self.once()
                await self._pause(self._interval)
        finally:
            await self.leave()

    async def once(self) -> None:
        """Write what is news, look at what others have written, forget what is no more."""
        try:
            if not self._has_begun:  # whatever an earlier process of this name has left
                await self._work.write(self._end)
                self._has_begun = True
            await self._look(await self._write())
            self._outage.is_over()
        except Exception as error:
            self._outage.tell(error)
        if self._registry.snapshot is not EMPTY:
            self._registry.circuits.keep(self._registry.snapshot.by_id)

    async def leave(self) -> None:
        """A clean stop."""
        try:
            await self._write()
            await self._work.write(self._end)
        except Exception as error:
            Outage("health", "the last calls stay uncounted").tell(error)

    async def _end(self, uow: Uow) -> None:
        await store.end(uow.session, self._registry.node)

    async def _write(self) -> set[str]:
        """Whom something was written of: all of them in one transaction, or a hundred in each."""
        circuits = self._registry.circuits
        now = circuits.clock()
        news = [circuit for circuit in list(circuits.by_id.values()) if circuit.is_news(now)]
        for start in range(0, len(news), LARGEST):
            await self._work.write(partial(self._write_some, circuits=news[start : start + LARGEST]))
        return {circuit.id for circuit in news}

    async def _write_some(self, uow: Uow, *, circuits: Sequence[Circuit]) -> None:
        ids, ticks, node = [one.id for one in circuits], self._registry.circuits.clock(), self._registry.node
        there = await store.there(uow.session, ids)
        stored = await store.own(uow.session, node, ids)
        for circuit in circuits:
            counts = circuit.successes, circuit.failures, circuit.milliseconds
            uow.after(partial(circuit.wrote, *counts, circuit.told(ticks)))
            row = row_of(circuit, node, uow.now, ticks, stored.get(circuit.id))
            if circuit.id in there:  # and was not purged meanwhile
                await store.put_count(uow.session, row, new=circuit.id not in stored)

    async def _look(self, written: set[str]) -> None:
        """Publish the statuses of those of whom any node has written, and tell how those do that this one calls."""
        circuits, since = self._registry.circuits, self._looked - APART
        self._looked = self._work.now()
        changed = await self._work.read(lambda uow: store.changed_since(uow.session, since))
        ids = sorted({*written, *changed, *circuits.statuses.waiting()})
        for start in range(0, len(ids), LARGEST):
            some = ids[start : start + LARGEST]
            before = {id: circuits.statuses.published(id, "unknown") for id in some}
            for id, one in (await self._work.read(partial(healths_of, ids=some))).items():
                if id in circuits.by_id and (id in written or one.status != before[id]):
                    self._tell(id, msgspec.to_builtins(wire.told_health(one)))
