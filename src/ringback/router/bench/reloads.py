"""How long the event loop is held up while the whole registry is loaded anew (T-9)."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from ringback.app import Router
from ringback.router.bench.content import Tell, change_all
from ringback.router.bench.figures import Figure, Found, spread
from ringback.router.extensions.registry import Registry
from ringback.router.work import router_work

TICK: Final = 0.001
"""Seconds."""
IDLE: Final = 2.0
"""Seconds, at most."""
SAME, OTHER = 5, 3
"""Loads that find nothing new, and loads that find every record changed."""


class Ticks:
    """How many milliseconds late a callback is that is due every millisecond.

    What was due while the loop was held up counts, each with the time that it would have waited. In `longest` is what
    this process has computed meanwhile, too: where that is far less, others have had the machine.
    """

    def __init__(self) -> None:
        self.late: list[float] = []
        self.longest = {"late_ms": 0.0, "cpu_ms": 0.0}

    async def run(self) -> None:
        """Until cancelled."""
        due, used = time.perf_counter() + TICK, time.process_time()
        while True:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            now, before, used = time.perf_counter(), used, time.process_time()
            if (late := (now - due) * 1000) >= self.longest["late_ms"]:
                self.longest = {"late_ms": late, "cpu_ms": (used - before) * 1000}
            while due <= now:
                self.late.append((now - due) * 1000)
                due += TICK


@asynccontextmanager
async def ticking(ticks: Ticks) -> AsyncIterator[None]:
    """It ticks while inside."""
    task = asyncio.create_task(ticks.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def held_up(router: Router, ids: Sequence[str], seconds: float, tell: Tell) -> Found:
    """Several loads of either kind: nothing has changed, and another node has changed every record.

    The floor is that of a loop which has been idle for some seconds before.
    """
    idle, same, other = Ticks(), Ticks(), Ticks()
    await router.loader.reload()  # a change that was cut off before may not have been followed
    async with ticking(idle):
        await asyncio.sleep(min(IDLE, seconds))
    took: dict[str, list[float]] = {"same": [], "all_changed": []}
    for number in range(SAME):
        took["same"].append(await _load(router, same, 0))
        tell(f"{number + 1} of {SAME + OTHER} loads")
    elsewhere = router_work(router.work.database, Registry("elsewhere"))
    for number in range(OTHER):
        records = [router.registry.require(id) for id in ids]
        await change_all(elsewhere, records, timeout_ms=300 + number)
        took["all_changed"].append(await _load(router, other, len(ids)))
        tell(f"{SAME + number + 1} of {SAME + OTHER} loads")
    floor, found = spread(idle.late), spread(same.late + other.late)
    figures = [
        Figure("T-9", f"loop held up by a load, {name}", found[name], "ms", "<", limit, floor[name], f"idle, {name}")
        for name, limit in (("p99", 10), ("max", 50))
    ]
    details = {
        "records": len(ids),
        "tick_ms": TICK * 1000,
        "idle_ms": floor,
        "same_ms": spread(same.late),
        "all_changed_ms": spread(other.late),
        "same_longest": same.longest,
        "all_changed_longest": other.longest,
        "load_seconds": took,
    }
    return Found(figures, {"T-9": details})


async def _load(router: Router, ticks: Ticks, changed: int) -> float:
    """Seconds that a load took. What it found must be what was done."""
    async with ticking(ticks):
        begun = time.perf_counter()
        done = await router.loader.reload()
        took = time.perf_counter() - begun
    assert (done.ok, done.changed) == (True, changed), done
    return took
