"""Takes what Asterisk has written of calls, again and again; ends calls that are lost, and forgets old ones."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from ringback.calls.records import service
from ringback.kit.chores import again_and_again
from ringback.kit.uow import Work
from ringback.registrar.work import Uow

PAUSE: Final = 0.25
"""Seconds between two looks at what there is."""
KEEPING: Final = 600.0
"""Seconds between two looks for calls that are old enough to be ended or forgotten."""
LONGEST: Final = timedelta(days=1)
"""Of a call that goes on for longer we have missed the end."""

Some = Callable[[Uow, datetime], Awaitable[int]]


class Taking:
    """Makes calls of Asterisk's events, by one instance at a time; `run` it in the background.

    `days` is how long calls are kept, 0 for ever. What nobody has taken waits in the database.
    """

    def __init__(self, work: Work[Uow], days: int) -> None:
        self._work = work
        self._days = days

    async def run(self) -> None:
        """Until cancelled. An outage is waited for, and told of once."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(again_and_again(self.once, PAUSE, action="calls", failure="calls are not recorded"))
            tasks.create_task(again_and_again(self.keep, KEEPING, action="calls", failure="calls are not kept"))

    async def once(self) -> None:
        """All that there is, unless another instance is at it."""
        if not await self._work.read(service.are_waiting):
            return
        async with self._work.database.turn("calls") as ours:
            taken = 1
            while ours and taken:
                taken = await self._work.write(service.take)
                await asyncio.sleep(0)

    async def keep(self) -> None:
        """End calls of which nobody has told the end, and forget those that began too long ago."""
        await self._all(service.lose_some, LONGEST)
        if self._days:
            await self._all(service.forget_some, timedelta(days=self._days))

    async def _all(self, some: Some, age: timedelta) -> None:
        before = self._work.now() - age
        done = 1
        while done:
            done = await self._work.write(lambda uow: some(uow, before))
            await asyncio.sleep(0)
