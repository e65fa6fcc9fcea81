"""Keeps the audit log to what it may tell: people who are gone are forgotten, entries kept for long enough go."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog

from ringback.customers.audit import service
from ringback.customers.audit.model import Old
from ringback.kit.chores import again_and_again
from ringback.kit.uow import Work

PAUSE: Final = 60.0
"""Seconds between two looks for what is to be taken out."""
TURN: Final = "audit_keeping"

log = structlog.get_logger()


class Keeping:
    """Takes out what must not stay, a little in each transaction; `run` it in the background.

    `days` is how long entries stay, 0 for ever. Whatever a kill leaves half done is gone on with: it stands in the
    database.
    """

    def __init__(self, work: Work[Any], days: int) -> None:
        self._work = work
        self._days = days

    async def run(self) -> None:
        """Until cancelled. An outage is waited for, and told of once."""
        await again_and_again(self.once, PAUSE, action="audit", failure="the audit log is not kept")

    async def once(self) -> None:
        """All that is due now, unless another instance is at it."""
        async with self._work.database.turn(TURN) as ours:
            if ours:
                await self._forget()
                await self._remove()

    async def _forget(self) -> None:
        while ids := await self._work.read(service.forgotten):
            for id in ids:
                last: int | None = None
                while last != 0:
                    last = await self._work.write(partial(service.forget_some, object_id=id, after=last or 0))
                    await asyncio.sleep(0)

    async def _remove(self) -> None:
        """What a removal has left, whatever the setting is now; then what has grown old since."""
        await self._go_on()
        if self._days and (found := await self._old(until := self._until())):
            await self._work.write(partial(service.begin_removal, until=until, found=found))
            await self._go_on()
            log.info("audit entries removed", action="audit", entries=found.count, until=until.isoformat())

    def _until(self) -> datetime:
        """Whole days in UTC, so that there is at most one removal a day."""
        return (self._work.now() - timedelta(days=self._days)).replace(hour=0, minute=0, second=0, microsecond=0)

    async def _old(self, until: datetime) -> Old | None:
        """All entries before the first one that is not older, counted a few at a time."""
        found: Old | None = None
        more = True
        while more:
            found, more = await self._work.read(partial(service.old, until=until, found=found))
            await asyncio.sleep(0)
        return found

    async def _go_on(self) -> None:
        while begun := await self._work.read(service.removal):
            gone = -1
            while gone:
                gone = await self._work.write(partial(service.remove_some, begun=begun))
                await asyncio.sleep(0)
