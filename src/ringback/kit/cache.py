"""What was worked out a moment ago, under a name that says of which state of the world it is.

Nothing is ever taken back from a cache: after a change the old name is not asked for any more.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

V = TypeVar("V")

LARGEST: Final = 10_000


class Cache(Protocol[V]):
    """Holds values for a while; one that fails has none and says nothing."""

    async def get(self, name: str) -> V | None: ...

    async def fill(self, name: str, value: V, seconds: float) -> None: ...


class LocalCache(Generic[V]):
    """In this process. Beyond `largest` the values filled longest ago are forgotten."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, largest: int = LARGEST) -> None:
        self._clock = clock
        self._largest = largest
        self._entries: OrderedDict[str, tuple[float, V]] = OrderedDict()

    async def get(self, name: str) -> V | None:
        until, value = self._entries.get(name, (0.0, None))
        return value if self._clock() < until else None

    async def fill(self, name: str, value: V, seconds: float) -> None:
        if seconds <= 0:
            return
        self._entries[name] = (self._clock() + seconds, value)
        self._entries.move_to_end(name)
        while len(self._entries) > self._largest:
            self._entries.popitem(last=False)


class NoCache(Generic[V]):
    """Where nobody could say of which state of the world a value is."""

    async def get(self, name: str) -> V | None:
        return None

    async def fill(self, name: str, value: V, seconds: float) -> None: ...
