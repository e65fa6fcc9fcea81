"""Work that is asked for as fast as answers come, or at a rate whatever comes; and how long the answers took."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from ringback.router.bench.figures import quantile, spread

Ask = Callable[[int], Awaitable[object]]
"""Ask for the operation of that number, and wait for it: what it came to, in a word."""


@dataclass(slots=True)
class Taken:
    """How long each answer took, in ms, from when it was due; how many came to what; the seconds of all."""

    ms: list[float] = field(default_factory=list)
    came: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """As a JSON object."""
        count = len(self.ms)
        return {
            "count": count,
            "seconds": self.seconds,
            "a_second": count / self.seconds if self.seconds else 0.0,
            "ms": spread(self.ms) if self.ms else None,
            "p99_of_halves": [quantile(half, 0.99) if half else None for half in self._halves()],
            "came": dict(self.came),
        }

    def _halves(self) -> tuple[list[float], list[float]]:
        middle = len(self.ms) // 2
        return self.ms[:middle], self.ms[middle:]


async def closed(ask: Ask, in_flight: int, seconds: float, first: int = 0, times: int = 1 << 62) -> Taken:
    """So many at a time, each at once after the one before; none is begun after so many seconds, or so many `times`."""
    taken = Taken()
    numbers = iter(range(first, first + times))
    begun = time.perf_counter()

    async def one_by_one() -> None:
        for number in numbers:
            at = time.perf_counter()
            if at > begun + seconds:
                break
            came = await ask(number)
            taken.ms.append((time.perf_counter() - at) * 1000)
            taken.came[str(came)] += 1

    await asyncio.gather(*(one_by_one() for _ in range(in_flight)))
    taken.seconds = time.perf_counter() - begun
    return taken


async def offered(ask: Ask, rate: float, seconds: float, first: int = 0) -> Taken:
    """So many a second, each at its time whatever became of those before, and timed from then."""
    taken = Taken()
    loop = asyncio.get_running_loop()
    begun = loop.time()

    async def one(number: int, due: float) -> None:
        came = await ask(first + number)
        taken.ms.append((loop.time() - due) * 1000)
        taken.came[str(came)] += 1

    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            if (early := due - loop.time()) > 0:
                await asyncio.sleep(early)
            group.create_task(one(number, due))
    taken.seconds = loop.time() - begun
    return taken
