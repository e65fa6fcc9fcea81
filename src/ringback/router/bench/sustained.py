"""Ten thousand lookups a second, minute after minute, while others write and all is loaded anew (T-8)."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from ringback.app import Router
from ringback.kit.errors import Failure
from ringback.router.bench.content import change_one, mixed
from ringback.router.bench.figures import Figure, Found, spread
from ringback.router.extensions.model import ExtensionNotFound

RATE: Final = 10_000
"""Lookups a second."""
WRITES: Final = 10
"""Changes a second."""
LOADS: Final = 0.2
"""Whole loads a second."""
TICK: Final = 0.001


class Load:
    """An open loop: whatever is due by the clock is done, however long the one before has taken."""

    def __init__(self, router: Router, ids: Sequence[str], seconds: float) -> None:
        self._router = router
        self._ids = ids
        self._seconds = seconds
        self._begun = time.perf_counter()
        self.missed = self.written = self.failed = self.loads = 0
        self.late: list[float] = []
        self.reading = 0.0
        """Seconds that went into lookups alone."""

    def _passed(self) -> float:
        return time.perf_counter() - self._begun

    async def read(self) -> tuple[int, float]:
        """The lookups that were done, and the seconds until the last one was."""
        ids = list(mixed(self._ids, len(self._ids)))
        done, took = 0, 0.0
        while (now := self._passed()) < self._seconds:
            due = int(now * RATE) + 1
            self.late.append((now - done / RATE) * 1000)
            for number in range(done, due):
                try:
                    self._router.registry.lookup(ids[number % len(ids)])
                except ExtensionNotFound:
                    self.missed += 1
            done, took = due, self._passed()
            self.reading += took - now
            await asyncio.sleep(TICK)
        return done, took

    async def write(self) -> None:
        """Until cancelled."""
        for number in range(int(self._seconds * WRITES)):
            await asyncio.sleep(max(0.0, number / WRITES - self._passed()))
            try:
                await change_one(self._router, self._ids, number, "under_load")
            except Failure:
                self.failed += 1
            else:
                self.written += 1

    async def load(self) -> None:
        """Until cancelled."""
        while True:
            await self._router.loader.reload()
            self.loads += 1
            await asyncio.sleep(1 / LOADS)


async def sustained(router: Router, ids: Sequence[str], seconds: float) -> Found:
    """All of it on one node, whose upkeep runs as in a server: it reads, writes and loads in one loop."""
    upkeep = asyncio.create_task(router.node.run())
    before, used = router.loader.stats(), time.process_time()
    load = Load(router, ids, seconds)
    others = [asyncio.create_task(part) for part in (load.write(), load.load())]
    done, took = await load.read()
    used = time.process_time() - used
    after = router.loader.stats()
    for task in (*others, upkeep):
        task.cancel()
    await asyncio.wait({*others, upkeep})
    hits, misses = after.hits - before.hits, after.misses - before.misses
    figures = [
        Figure("T-8", "lookups", round(done / took), "a second", ">=", RATE),
        Figure("T-8", "writes meanwhile", round(load.written / took, 1), "a second", ">=", WRITES),
        Figure("T-8", "misses of live ids", load.missed, "", "=", 0),
        Figure("T-8", "hit rate by the counters", 100 * hits / (hits + misses), "%", ">", 99),
    ]
    details = {
        "records": len(ids),
        "seconds": took,
        "lookups": done,
        "hits": hits,
        "misses": misses,
        "writes": load.written,
        "failed_writes": load.failed,
        "loads": load.loads,
        "late_ms": spread(load.late),
        "cpu_share": used / took,
        "cpu_share_of_lookups": load.reading / took,
    }
    return Found(figures, {"T-8": details})
