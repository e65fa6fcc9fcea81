"""How many a second, and how many at once: for each key a bucket that fills by itself."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

LARGEST: Final = 100_000
SECOND: Final = 1_000_000
"""In the unit that we count in."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`limit` a second on average; whoever has been quiet may take `burst` at once, at most a minute's worth."""

    limit: int
    burst: int

    @property
    def each(self) -> int:
        """What one takes: microseconds until another one is there in its place."""
        return max(SECOND // self.limit, 1)

    @property
    def window(self) -> int:
        """Seconds in which an empty bucket is full again."""
        return max(-(-self.burst // self.limit), 1)

    def taken(self, until: int, now: int) -> "tuple[int, Taken]":
        """One out of a bucket that will be full at `until`: when it will be then, and how it went (GCRA)."""
        after = max(until, now) + self.each
        room = self.burst * self.each - (after - now)
        if room < 0:
            return until, Taken(False, 0, -room / SECOND)
        return after, Taken(True, room // self.each, 0.0)


class Taken(msgspec.Struct, frozen=True):
    """Whether one was left, how many are left now, and in how many seconds there will be one."""

    is_within: bool
    left: int
    wait: float


class Buckets(Protocol):
    """A bucket of one rate for each key."""

    async def take(self, key: str) -> Taken: ...


class LocalBuckets:
    """The buckets of this process; those least recently used are forgotten, and full again, beyond `largest`."""

    def __init__(self, rate: Rate, *, clock: Callable[[], float] = time.monotonic, largest: int = LARGEST) -> None:
        self._rate = rate
        self._clock = clock
        self._largest = largest
        self._full: OrderedDict[str, int] = OrderedDict()

    async def take(self, key: str) -> Taken:
        now = round(self._clock() * SECOND)
        self._full[key], taken = self._rate.taken(self._full.get(key, 0), now)
        self._full.move_to_end(key)
        if len(self._full) > self._largest:
            self._full.popitem(last=False)
        return taken
