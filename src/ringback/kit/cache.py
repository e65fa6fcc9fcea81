"""A cache whose fills carry a version, so that a slow fill never brings back what was just invalidated."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LARGEST: Final = 10_000


class Cache(Generic[K, V]):
    """Holds values for a while, in this process.

    `revision` is the state of the world behind the cache: a value filled under another revision is not served.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        revision: Callable[[], int] = lambda: 0,
        largest: int = LARGEST,
    ) -> None:
        self._clock = clock
        self._revision = revision
        self._largest = largest
        self._entries: OrderedDict[K, tuple[int, float, V]] = OrderedDict()
        self._invalidated: dict[K, int] = {}
        self._floor = 0
        self._count = 0

    def get(self, key: K) -> V | None:
        if key not in self._entries:
            return None
        revision, until, value = self._entries[key]
        return value if revision == self._revision() and self._clock() < until else None

    def begin(self) -> tuple[int, int]:
        """Ask for this before reading what `fill` is to hold."""
        return self._count, self._revision()

    def fill(self, key: K, begun: tuple[int, int], value: V, seconds: float) -> None:
        """Hold `value`, unless the key was invalidated or the world changed since `begin`."""
        count, revision = begun
        if seconds <= 0 or self._invalidated.get(key, self._floor) > count or revision != self._revision():
            return
        self._entries[key] = (revision, self._clock() + seconds, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._largest:
            self._entries.popitem(last=False)

    def invalidate(self, key: K) -> None:
        self._count += 1
        self._entries.pop(key, None)
        self._invalidated[key] = self._count
        if len(self._invalidated) > self._largest:
            self._invalidated.clear()
            self._floor = self._count
