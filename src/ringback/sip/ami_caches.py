"""What Asterisks have cached of phones (sorcery's memory caches): forgotten there as soon as it is another."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable
from typing import Final, Protocol

from ringback.sip.ami import Message
from ringback.sip.ami_link import Away, Refused

KINDS: Final = ("endpoint", "aor", "auth")
MOST: Final = 10_000
"""Names that wait; when there are more, everything is forgotten instead."""


class Asks(Protocol):
    """An Asterisk that can be asked: `Link`."""

    async def ask(self, name: str, **fields: str) -> Message: ...


class Cache:
    """The caches of one Asterisk, and which phones they must forget until it has been told so."""

    def __init__(self, name: str, link: Asks) -> None:
        self.name = name
        self._link = link
        self._waiting: dict[str, None] = {}
        self._is_all_due = False
        self._kinds: tuple[str, ...] = KINDS
        self._woken = asyncio.Event()
        self._moved = asyncio.Condition()

    def forget(self, ids: Iterable[str]) -> None:
        """These endpoints are others now."""
        if len(self._waiting) < MOST:
            self._waiting |= dict.fromkeys(ids)
            self._woken.set()
        else:
            self.forget_all()

    def forget_all(self) -> None:
        """Changes may have been missed."""
        self._is_all_due = True
        self._woken.set()

    async def forgotten(self, ids: Iterable[str]) -> None:
        """Return when none of them waits any more."""
        wanted = set(ids)
        async with self._moved:
            await self._moved.wait_for(lambda: not self._is_all_due and wanted.isdisjoint(self._waiting))

    async def run(self) -> None:
        """Until cancelled. While it is away nothing is lost: it is told when it is back."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            with contextlib.suppress(Away):
                await self.once()

    async def once(self) -> None:
        """Tell it all that is due. `Away` where it cannot be told."""
        if self._is_all_due:
            done = list(self._waiting)
            found = [kind for kind in KINDS if await self._is_done("SorceryMemoryCacheExpire", kind)]
            self._kinds, self._is_all_due = tuple(found), False  # of what it does not cache nothing is to be forgotten
            await self._tick_off(done)
        while self._waiting:
            id = next(iter(self._waiting))
            for kind in self._kinds:
                await self._is_done("SorceryMemoryCacheExpireObject", kind, Object=id)
            await self._tick_off([id])

    async def _is_done(self, action: str, kind: str, **more: str) -> bool:
        """Whether there was such a thing in such a cache."""
        try:
            await self._link.ask(action, Cache=f"res_pjsip/{kind}", **more)
        except Refused:
            return False
        except ValueError:  # no endpoint that Asterisk can have read has such a name
            return False
        return True

    async def _tick_off(self, ids: list[str]) -> None:
        for id in ids:
            self._waiting.pop(id, None)
        async with self._moved:
            self._moved.notify_all()


class Caches:
    """Those of all Asterisks that we know; without one there is nothing to forget."""

    def __init__(self) -> None:
        self.each: list[Cache] = []

    def forget(self, ids: Iterable[str]) -> None:
        names = list(ids)
        for cache in self.each:
            cache.forget(names)

    async def wait(self, ids: Collection[str], timeout: float) -> list[str]:  # noqa: ASYNC109
        """Names of the Asterisks that have not forgotten them within so many seconds."""
        if not ids or not self.each:
            return []
        waits = {asyncio.create_task(cache.forgotten(ids)): cache for cache in self.each}
        _, late = await asyncio.wait(waits, timeout=timeout)
        for task in late:
            task.cancel()
        return [waits[task].name for task in waits if task in late]
