"""Takes what Asterisk has written of calls, again and again, and forgets calls that are old enough."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from ringback.calls.records import service
from ringback.kit.errors import Failure
from ringback.kit.uow import Work
from ringback.registrar.work import Uow

PAUSE: Final = 0.25
"""Seconds between two looks at what there is."""
FORGET: Final = 600.0
"""Seconds between two looks for calls that are old enough to be forgotten."""

log = structlog.get_logger()


class Taking:
    """Makes calls of Asterisk's events, by one instance at a time; `run` it in the background.

    `days` is how long calls are kept, 0 for ever. What nobody has taken waits in the database.
    """

    def __init__(self, work: Work[Uow], days: int) -> None:
        self._work = work
        self._days = days
        self._fails = False

    async def run(self) -> None:
        """Until cancelled. An outage is waited for, and told of once."""
        clock, forget_at = asyncio.get_running_loop().time, 0.0
        while True:
            try:
                await self.once()
                if clock() >= forget_at:
                    forget_at = clock() + FORGET
                    await self.forget()
                self._fails = False
            except Exception as error:
                told = error.sentence if isinstance(error, Failure) else repr(error)
                (log.debug if self._fails else log.warning)("calls are not recorded", action="calls", error=told)
                self._fails = True
            await asyncio.sleep(PAUSE)

    async def once(self) -> None:
        """All that there is, unless another instance is at it."""
        if not await self._work.read(service.are_waiting):
            return
        async with self._work.database.turn("calls") as ours:
            taken = 1
            while ours and taken:
                taken = await self._work.write(service.take)
                await asyncio.sleep(0)

    async def forget(self) -> None:
        """Calls that began too long ago."""
        before = self._work.now() - timedelta(days=self._days)
        gone = self._days
        while gone:
            gone = await self._work.write(partial(service.forget_some, before=before))
            await asyncio.sleep(0)
