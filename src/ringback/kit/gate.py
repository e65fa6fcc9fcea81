"""A few at a time: whoever comes when all places are taken waits for one, and not too many wait."""

import asyncio
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

    def place(self, key: Hashable) -> "Place":
        """One of the places of `key`."""
        return Place(self, key)

    async def enter(self, key: Hashable) -> None:
        """Wait for a place of `key`, which must `leave` again."""
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = Gate(self._places, full=self._full)
        try:
            await gate.__aenter__()
            try:
                if gate.waiting > 1 or key in self._begun:
                    async with gate.begin:
                        await asyncio.sleep(0)
            except BaseException:
                await gate.__aexit__()
                raise
        finally:
            self._forget(key, gate)
        if key not in self._begun:
            self._begun.add(key)
            asyncio.get_running_loop().call_soon(self._begun.discard, key)

    async def leave(self, key: Hashable) -> None:
        """Give a place of `key` back."""
        gate = self._gates[key]
        await gate.__aexit__()
        self._forget(key, gate)

    def _forget(self, key: Hashable, gate: Gate) -> None:
        if not gate.waiting:
            self._gates.pop(key, None)


class Place:
    """A place of a key, while inside."""

    __slots__ = ("_gates", "_key")

    def __init__(self, gates: Gates, key: Hashable) -> None:
        self._gates = gates
        self._key = key

    async def __aenter__(self) -> None:
        await self._gates.enter(self._key)

    async def __aexit__(self, *failure: object) -> None:
        await self._gates.leave(self._key)
