"""Tells the other nodes that this one is there, and waits until all of them serve a revision (R-2c)."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import msgspec
import structlog

from ringback.kit.errors import DatabaseUnavailable, Failure
from ringback.kit.uow import Work
from ringback.router.extensions.following import Pause, woken_or_late
from ringback.router.extensions.loading import Loader
from ringback.router.nodes import store
from ringback.router.nodes.leaving import leave
from ringback.router.nodes.model import Applied, RouterNode, Served
from ringback.router.work import Uow

log = structlog.get_logger()

BEAT: Final = timedelta(seconds=5)
"""How old the row of a node gets while there are others."""
LOOK: Final = 1.0
"""Seconds between two looks whether there are others."""
PACE: Final = 0.02
"""Seconds between two looks whether the others have a revision."""


async def known(uow: Uow) -> list[RouterNode]:
    """All nodes that are known, by name, those that are stale too."""
    return await store.every(uow.session)


class Presence:
    """The row of this node. It is written when what is served changes, and by time only while there are others."""

    def __init__(self, work: Work[Uow], loader: Loader, *, pause: Pause = woken_or_late) -> None:
        self._work = work
        self._loader = loader
        self._pause = pause
        self._woken = asyncio.Event()
        self._told: Served | None = None
        self._told_at: datetime | None = None
        self._failures = 0
        self.stale = 0
        """How many others were not heard of, as far as this node knows."""
        loader.registry.presence = self
        loader.registry.watchers.append(self._woken.set)

    @property
    def node(self) -> str:
        return self._loader.registry.node

    def served(self) -> Served:
        """What this node serves now."""
        now = self._loader.registry.snapshot
        nack = [msgspec.structs.asdict(one) for one in self._loader.rejected]
        return Served(now.revision, now.checksum, self._loader.source, nack)

    async def run(self) -> None:
        """Until cancelled; then the row is removed."""
        try:
            while True:
                await self.once()
                await self._pause(self._woken, LOOK)
        finally:
            await self.leave()

    async def once(self) -> None:
        """Write what must be written now."""
        self._woken.clear()
        try:
            others = [one for one in await self.nodes() if one.node_id != self.node]
            served, now = self.served(), self._work.now()
            self.stale = sum(one.is_stale(now) for one in others)
            is_old = self._told_at is None or (bool(others) and now - self._told_at >= BEAT)
            if served != self._told or is_old:
                await self._work.write(lambda uow: store.put(uow.session, self.node, served, uow.now))
                self._told, self._told_at = served, now
            await self._let_go(one for one in others if one.is_gone(now))
        except Failure as failure:
            if not self._failures:
                log.warning("the other nodes hear nothing of this one", action="nodes", error=failure.sentence)
            self._failures += 1
        else:
            self._failures = 0

    async def _let_go(self, gone: Iterable[RouterNode]) -> None:
        """Whoever will not come back leaves what it has counted, and goes."""
        for one in gone:
            is_there_more = True
            while is_there_more:
                is_there_more = await self._work.write(partial(leave, id=one.node_id))

    async def leave(self) -> None:
        """A clean stop: nobody waits for this node any more."""
        try:
            await self._work.write(lambda uow: store.remove(uow.session, self.node))
        except Failure as failure:
            log.warning("the row of this node stays", action="nodes", error=failure.sentence)

    async def nodes(self) -> list[RouterNode]:
        """All that are known, by name, those that are stale too. `DatabaseUnavailable` where nobody can say."""
        return await self._work.read(known)

    async def wait_applied(self, revision: int, timeout: float) -> Applied:  # noqa: ASYNC109
        """Wait until all nodes that are there serve this revision or a newer one, or for `timeout` seconds.

        `DatabaseUnavailable` where nobody can say by then.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            now = self._work.now()
            try:
                others = [one for one in await self.nodes() if one.node_id != self.node and not one.is_stale(now)]
            except DatabaseUnavailable:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                await asyncio.sleep(PACE)
                continue
            serving = {one.node_id: one.served.applied_revision for one in others}
            serving[self.node] = self._loader.registry.snapshot.revision
            pending = sorted(id for id, applied in serving.items() if applied < revision)
            left = deadline - asyncio.get_running_loop().time()
            if not pending or left <= 0:
                return Applied(revision, len(serving), pending)
            await asyncio.sleep(min(PACE, left))
