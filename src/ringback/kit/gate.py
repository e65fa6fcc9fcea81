"""A few at a time: whoever comes when all places are taken waits for one, and not too many wait."""

import asyncio
from collections.abc import Callable
from typing import Final, Self

from ringback.kit.errors import PeerUnavailable

MOST: Final = 1024


class Gate:
    """`async with gate:` takes one of `places` for as long as it lasts; those who wait get theirs in turn.

    It is where requests wait for other services. `PeerUnavailable`, with nothing asked, where `most` are there already.
    """

    def __init__(self, places: int, *, most: int = MOST) -> None:
        self.waiting = 0
        """How many are within, or want to be."""
        self._places = asyncio.Semaphore(places)
        self._most = most
        self._watcher: Callable[[int], None] | None = None

    def watch(self, watcher: Callable[[int], None] | None) -> None:
        """Tell `watcher`, and nobody else, whenever `waiting` changes."""
        self._watcher = watcher

    async def __aenter__(self) -> Self:
        if self.waiting >= self._most:
            raise PeerUnavailable(asked=False)
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
