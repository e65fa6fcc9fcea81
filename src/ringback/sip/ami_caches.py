"""What Asterisks have cached of phones (sorcery's memory caches): forgotten there as soon as it is another."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable
from typing import Final, Protocol

from ringback.sip.ami import Message, Unsayable
from ringback.sip.ami_link import Away, Refused

KINDS: Final = ("endpoint", "aor", "auth")
MOST: Final = 10_000
"""Names that wait; when there are more, everything is forgotten instead."""
AGAIN: Final = 2.0
"""Seconds after which one that did not answer is told again, if nothing else wakes us before."""


class Asks(Protocol):
    """An Asterisk that can be asked: `Link`."""

    async def ask(self, name: str, **fields: str) -> Message: ...


class Cache:
    """The caches of one Asterisk, and which phones they must forget until it has been told so."""

    def __init__(self, name: str, link: Asks, *, again: float = AGAIN) -> None:
        self.name = name
        self._link = link
        self._again = again
        self._waiting: dict[str, None] = {}
        self._is_all_due = False
        self._told: list[str] = []
        self._is_told_all = False
        """What it is being told right now. A change that comes meanwhile waits for its own turn."""
        self._woken = asyncio.Event()
        self._moved = asyncio.Condition()

    @property
    def waiting(self) -> list[str]:
        """Of which endpoints it may not know yet."""
        return [*self._waiting, *self._told]

    def forget(self, ids: Iterable[str]) -> None:
        """These endpoints are others now."""
        if len(self._waiting) < MOST:  # none is another try
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
            await self._moved.wait_for(lambda: not self._is_any_waiting(wanted))

    def _is_any_waiting(self, ids: set[str]) -> bool:
        is_all_waiting = self._is_all_due or self._is_told_all
        return is_all_waiting or not (ids.isdisjoint(self._waiting) and ids.isdisjoint(self._told))

    async def run(self) -> None:
        """Until cancelled. While it is away nothing is lost: it is told when it is back."""
        pause: float | None = None
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            self._woken.clear()
            try:
                await self.once()
                pause = None
            except Away:  # it may have been slow but once, on a connection that goes on
                pause = self._again

    async def once(self) -> None:
        """Tell it all that is due. `Away` where it cannot be told."""
        while self._is_all_due or self._waiting:
            is_all = self._is_told_all = self._is_all_due
            self._is_all_due = False
            self._told = list(self._waiting) if is_all else [next(iter(self._waiting))]
            for id in self._told:
                del self._waiting[id]
            try:
                for kind in KINDS:
                    await (self._all(kind) if is_all else self._one(kind, self._told[0]))
            except BaseException:
                self._is_all_due |= is_all
                self._waiting |= dict.fromkeys(self._told)
                raise
            finally:
                self._told, self._is_told_all = [], False
            async with self._moved:
                self._moved.notify_all()

    async def _all(self, kind: str) -> None:
        with contextlib.suppress(Refused):  # there is no such cache
            await self._link.ask("SorceryMemoryCacheExpire", Cache=f"res_pjsip/{kind}")

    async def _one(self, kind: str, id: str) -> None:
        with contextlib.suppress(Refused, Unsayable):  # nor such an object in it, and none can have such a name
            await self._link.ask("SorceryMemoryCacheExpireObject", Cache=f"res_pjsip/{kind}", Object=id)


class Caches:
    """Those of all Asterisks that we know; without one there is nothing to forget."""

    def __init__(self) -> None:
        self.each: list[Cache] = []

    @property
    def due(self) -> set[str]:
        """The endpoints that somebody has not forgotten yet."""
        return {id for cache in self.each for id in cache.waiting}

    def forget(self, ids: Iterable[str]) -> None:
        names = list(ids)
        for cache in self.each:
            cache.forget(names)

    async def wait(self, ids: Collection[str], timeout: float) -> list[str]:  # noqa: ASYNC109
        """Names of the Asterisks that have not forgotten them within so many seconds."""
        if not ids or not self.each:
            return []
        waits = {asyncio.create_task(cache.forgotten(ids)): cache for cache in self.each}
        try:
            _, late = await asyncio.wait(waits, timeout=timeout)
        finally:
            for task in waits:
                task.cancel()
        return [cache.name for task, cache in waits.items() if task in late]
