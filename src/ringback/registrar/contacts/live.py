"""Looks at phones as soon as an Asterisk speaks of them, and at those whose time has come."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ringback.kit.chores import Outage
from ringback.kit.db import CHUNK
from ringback.kit.uow import Work
from ringback.registrar.contacts import service
from ringback.registrar.contacts.feed import Feed
from ringback.registrar.work import Uow

LOOKS: Final = (0.1, 0.6, 2.7)
"""Seconds after the word of a phone at which it is looked at: Asterisk speaks before it writes the contact."""
TICK: Final = 0.05
"""Seconds within which phones are looked at together."""
BEAT: Final = 0.5
"""Seconds between two looks for contacts that have expired, of which nobody speaks in time."""


@dataclass(slots=True)
class _Word:
    """When a phone was spoken of, and how often it has been looked at since."""

    at: float
    looks: int = 0

    @property
    def due(self) -> float:
        return self.at + LOOKS[self.looks]


class Live:
    """Knows which phones to look at, and when. The looks are reads; the feed tells the news of those that differ."""

    def __init__(
        self, work: Work[Uow], feed: Feed, suffix: str, *, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        """`suffix` is what the names of our endpoints end in."""
        self._work = work
        self.feed = feed
        self._suffix = suffix
        self._ticks = ticks
        self._words: dict[str, _Word] = {}
        self._has_missed = False
        self._woken = asyncio.Event()
        self._next_beat = float("-inf")

    def hear(self, endpoint_id: str) -> None:
        """Somebody speaks of that phone: its contacts may be others in a moment, or are already."""
        if not endpoint_id.endswith(self._suffix):
            return
        word = self._words.get(endpoint_id)
        if word is None or word.looks:  # else its first look is still to come, which words without end must not put off
            self._words[endpoint_id] = _Word(self._ticks())
        self._woken.set()

    def miss(self) -> None:
        """Words may have been lost: look at all phones once."""
        self._has_missed = True
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        outage = Outage("live", "contacts cannot be compared")
        while True:
            if not self._words:
                with suppress(TimeoutError):
                    async with asyncio.timeout(BEAT):
                        await self._woken.wait()
            self._woken.clear()
            try:
                await self.once()
                outage.is_over()
            except Exception as error:
                self._has_missed = True
                outage.tell(error)
                await asyncio.sleep(1)
            await asyncio.sleep(TICK)

    async def once(self) -> None:
        """Look at what is due now, and tell what has changed."""
        if self._has_missed:
            self._has_missed = False  # another Asterisk may come back while we look
            async with self._work.database.turn("contacts") as ours:
                if ours:  # else another instance looks at all of them
                    await self.feed.once()
        names = self._due()
        for begin in range(0, len(names), CHUNK):
            await self.feed.compare(await self._differing(names[begin : begin + CHUNK]))
        if self._ticks() >= self._next_beat and not await self._expire():
            self._next_beat = self._ticks() + BEAT

    def _due(self) -> list[str]:
        """The phones to look at now; each is looked at several times, since its contact may still be on its way."""
        now = self._ticks()
        names = [name for name, word in self._words.items() if word.due <= now]
        for name in names:
            word = self._words[name]
            word.looks += 1
            if word.looks == len(LOOKS):
                del self._words[name]
        return names

    async def _expire(self) -> bool:
        """Tell of those whose time has come, unless Asterisk has heard of them again, which is no news.

        Whether there may be more of them.
        """
        names = await self._work.read(lambda uow: service.lapsed(uow, CHUNK))
        if names:
            await self.feed.remember(await self._work.read(lambda uow: service.refreshed(uow, names)))
            await self.feed.compare(await self._differing(names))
        return len(names) == CHUNK

    async def _differing(self, names: list[str]) -> set[str]:
        return await self._work.read(lambda uow: service.differing(uow, names))
