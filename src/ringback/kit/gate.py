"""A few at a time: whoever comes when all places are taken waits for one, and not too many wait."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable
from functools import partial
from typing import Final, Self

from ringback.kit.errors import Failure, PeerUnavailable

MOST: Final = 1024


class Gate:
    """`async with gate:` takes one of `places` for as long as it lasts; those who wait get theirs in turn.

    Where `most` are there already it is `full`: by itself `PeerUnavailable`, with nothing asked.
    """

    def __init__(
        self,
        places: int,
        *,
        most: int = MOST,
        full: Callable[[], Failure] = partial(PeerUnavailable, asked=False),  # noqa: B008
    ) -> None:
        self.waiting = 0
        """How many are within, or want to be."""
        self._places = asyncio.Semaphore(places)
        self._most = most
        self._full = full
        self._watcher: Callable[[int], None] | None = None

    def watch(self, watcher: Callable[[int], None] | None) -> None:
        """Tell `watcher`, and nobody else, whenever `waiting` changes."""
        self._watcher = watcher

    async def __aenter__(self) -> Self:
        if self.waiting >= self._most:
            raise self._full()
        self._count(+1)
        try:
            await self._places.acquire()
        except BaseException:
            self._count(-1)
            raise
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._places.release()
        self._count(-1)

    def _count(self, by: int) -> None:
        self.waiting += by
        if self._watcher:
            self._watcher(self.waiting)


class Line:
    """Those of one key: how many of its places are free, who waits, and whether somebody has begun in this turn of the
    loop."""

    __slots__ = ("begun", "free", "waiting")

    def __init__(self, places: int) -> None:
        self.free = places
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.begun = False


class Gates:
    """Places for each key, as long as somebody is there. Nobody is kept waiting by the many of another key.

    Those of one key begin one by one, and between two of them all others go on who can, so that many who never wait
    for anything do not come in a row. Whoever is the first goes in at once.
    """

    def __init__(self, places: int, full: Callable[[], Failure]) -> None:
        self._places = places
        self._full = full
        self._lines: dict[Hashable, Line] = {}

    def place(self, key: Hashable) -> "Place":
        """One of the places of `key`."""
        return Place(self, key)

    async def enter(self, key: Hashable) -> None:
        """Wait for a place of `key`, which must `leave` again."""
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(self._places)
        if line.free and not line.begun:
            self._begin(key, line)
        elif self._places - line.free + len(line.waiting) >= MOST:
            raise self._full()
        else:
            await self._wait(key, line)

    def leave(self, key: Hashable) -> None:
        """Give a place of `key` back."""
        line = self._lines[key]
        line.free += 1
        if not line.begun:
            self._next(key, line)

    async def _wait(self, key: Hashable, line: Line) -> None:
        turn = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in line.waiting:
                line.waiting.remove(turn)
            else:  # it had begun
                self.leave(key)
            raise

    def _begin(self, key: Hashable, line: Line) -> None:
        line.free -= 1
        line.begun = True
        asyncio.get_running_loop().call_soon(self._next, key, line)

    def _next(self, key: Hashable, line: Line) -> None:
        """All others have gone on since somebody began: the next may, or nobody is there any more."""
        line.begun = False
        if line.waiting and line.free:
            self._begin(key, line)
            turn = line.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
        elif line.free == self._places:
            del self._lines[key]


class Place:
    """A place of a key, while inside."""

    __slots__ = ("_gates", "_key")

    def __init__(self, gates: Gates, key: Hashable) -> None:
        self._gates = gates
        self._key = key

    async def __aenter__(self) -> None:
        await self._gates.enter(self._key)

    async def __aexit__(self, *failure: object) -> None:
        self._gates.leave(self._key)
