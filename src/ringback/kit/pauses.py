"""Pauses between tries: short at first, then longer, and not at the same time as everybody else's."""

import asyncio
import random
from typing import Final

SHORTEST: Final = 0.2
LONGEST: Final = 2.0
CALM: Final = 10.0
"""Seconds without a pause after which the next one is short again."""
REST: Final = 4
"""How many times longer than the work itself the time between two rounds of it is at least."""
RESTED: Final = 300.0
"""Seconds after which it is done again however long it took."""


def rest(interval: float, took: float) -> float:
    """Seconds until work that took so long is done again, so that it seldom takes more than a fifth of the time."""
    return max(interval, min(REST * took, RESTED))


class Pauses:
    """0.2 s growing to 2 s (registrar 2.2), each less up to half of it."""

    def __init__(self) -> None:
        self._next = SHORTEST
        self._last = float("-inf")

    async def wait(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._last > CALM:
            self._next = SHORTEST
        pause, self._next = self._next, min(self._next * 2, LONGEST)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
        self._last = asyncio.get_running_loop().time()
