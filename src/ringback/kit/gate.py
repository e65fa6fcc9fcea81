"""A few at a time: whoever comes when all places are taken waits for one, and not too many wait."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
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
        self.begin = asyncio.Lock()
        """For those who shall begin one by one."""
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


class Gates:
    """A gate for each key, as long as somebody is there. Nobody is kept waiting by the many of another key.

    Those of one key begin one by one, and between two of them all others go on who can, so that many who never wait
    for anything do not come in a row. Whoever is the first goes in at once.
    """

    def __init__(self, places: int, full: Callable[[], Failure]) -> None:
        self._places = places
        self._full = full
        self._gates: dict[Hashable, Gate] = {}
        self._begun: set[Hashable] = set()
        """Of whom somebody has begun since the loop looked for news."""

    @asynccontextmanager
    async def place(self, key: Hashable) -> AsyncIterator[None]:
        """One of the places of `key`."""
        gate = self._gates.setdefault(key, Gate(self._places, full=self._full))
        try:
            async with gate:
                if gate.waiting > 1 or key in self._begun:
                    async with gate.begin:
                        await asyncio.sleep(0)
                self._begun.add(key)
                asyncio.get_running_loop().call_soon(self._begun.discard, key)
                yield
        finally:
            if not gate.waiting:
                self._gates.pop(key, None)
