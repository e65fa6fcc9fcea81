"""When a registry is loaded: at start, after an outage, at intervals, and whenever somebody has written."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from ringback.router.extensions.loading import Loader

LONGEST: Final = 5.0
"""Seconds between two tries at a database that does not answer, at most."""

Pause = Callable[[asyncio.Event, float], Awaitable[None]]


async def woken_or_late(woken: asyncio.Event, seconds: float) -> None:
    """Until the event is set, or for so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await woken.wait()
    except TimeoutError:
        return


class Follower:
    """Keeps the registry of a loader at what the database says (R-2a, R-2b).

    It looks for changes every `poll` seconds and whenever it is told that there are some (`heard`); with `version`, a
    number that is another one after each commit of anybody, only if that has moved. Everything is loaded every
    `interval` seconds, after each time that the database did not answer, and after `missed`.
    `otherwise` is called when the database does not answer and nothing is served yet. `clock` is in seconds.
    """

    def __init__(
        self,
        loader: Loader,
        *,
        interval: float,
        poll: float,
        version: Callable[[], int] | None = None,
        otherwise: Callable[[], Awaitable[object]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Pause = woken_or_late,
    ) -> None:
        self.loader = loader
        self._interval = interval
        self._poll = poll
        self._version = version
        self._otherwise = otherwise
        self._clock = clock
        self._pause = pause
        self._woken = asyncio.Event()
        self._is_told, self._is_due = False, True
        self._seen: int | None = None
        self._due = 0.0
        self._failures = 0

    def heard(self) -> None:
        """Somebody has changed something."""
        self._is_told = True
        self._woken.set()

    def missed(self) -> None:
        """Somebody may have changed something and told it while we did not listen."""
        self._is_due = True
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.once()
            await self._pause(self._woken, self._rest())

    async def once(self) -> None:
        """Load, look, or do nothing: whatever is due now."""
        self._woken.clear()
        version = self._version() if self._version else None
        if self._is_due or self._failures or self._clock() >= self._due:
            self._is_due = self._is_told = False
            is_done = (await self.loader.reload()).ok
            if is_done:
                self._due = self._clock() + self._interval
            elif self._otherwise and self.loader.source == "none":
                await self._otherwise()
        elif self._is_told or version is None or version != self._seen:
            self._is_told = False
            is_done = await self.loader.catch_up()
        else:
            self.loader.confirm()
            return
        self._seen = version
        self._failures = 0 if is_done else self._failures + 1

    def _rest(self) -> float:
        """Seconds until the next look: longer and longer, and not all nodes at once, while nothing answers."""
        if not self._failures:
            return self._poll
        longest = min(LONGEST, max(self._poll, 0.1) * 2 ** min(self._failures, 10))
        return random.uniform(longest / 2, longest)  # noqa: S311
