"""How many calls of one router extension go on at the same time on this node, and who waits for a place (R-9d)."""

import asyncio
from collections import deque
from typing import Final

PLACES: Final = 256
"""Calls in flight, where its metadata names no `max_concurrency`."""
MOST: Final = 256
"""Calls that wait."""


class Bulkhead:
    """Places are given in the order in which they were asked for."""

    __slots__ = ("_waiting", "in_flight", "limit")

    def __init__(self, limit: int = PLACES) -> None:
        self.limit = limit
        self.in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def enter(self) -> bool:
        """Take a place, if there is one now; whoever waits is given those that become free."""
        if self.in_flight >= self.limit:
            return False
        self.in_flight += 1
        return True

    async def wait(self, seconds: float) -> bool:
        """Take a place when it is free; whether there was one in that time, or room to wait for it."""
        if len(self._waiting) >= MOST:
            return False
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await asyncio.wait((place,), timeout=seconds)
        except asyncio.CancelledError:
            if place.done():
                self.leave()
            else:
                self._waiting.remove(place)
            raise
        if not place.done():
            self._waiting.remove(place)
        return place.done()

    def leave(self) -> None:
        """Give a place back."""
        self.in_flight -= 1
        while self._waiting and self.in_flight < self.limit:
            self.in_flight += 1
            self._waiting.popleft().set_result(None)
