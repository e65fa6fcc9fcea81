"""When access keys were last used: noted as they come, written once a minute for each key, in no request's way."""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from ringback.customers.keys import store
from ringback.kit.errors import Failure
from ringback.kit.uow import UnitOfWork, Work

MINUTE: Final = timedelta(minutes=1)
PAUSE: Final = 5.0
"""Seconds between two looks for what is to be written."""

log = structlog.get_logger()


class Uses:
    """What this process has seen; `run` it in the background."""

    def __init__(self, work: Work[Any]) -> None:
        self._work = work
        self._seen: dict[UUID, datetime] = {}
        self._written: dict[UUID, datetime] = {}

    def note(self, key: UUID) -> None:
        """It is being used."""
        now = self._work.now()
        if key not in self._written or now - self._written[key] >= MINUTE:
            self._seen[key] = now

    async def run(self) -> None:
        """Until cancelled, write what was noted; then the rest of it."""
        try:
            while True:
                await asyncio.sleep(PAUSE)
                await self.write()
        finally:
            await asyncio.shield(self.write())

    async def write(self) -> None:
        """Write what was noted; while the database is away it waits."""
        seen, self._seen = self._seen, {}
        now = self._work.now()
        self._written = {key: at for key, at in self._written.items() if now - at < MINUTE}

        async def all_of_it(uow: UnitOfWork) -> None:
            for key in sorted(seen):
                await store.used(uow.session, key, seen[key], seen[key] - MINUTE)

        try:
            if seen:
                await self._work.write(all_of_it)
            self._written |= seen
        except Failure:
            self._seen = {**seen, **self._seen}
        except Exception as error:  # the next look tries it again
            self._seen = {**seen, **self._seen}
            log.error("uses of keys not written", exc_info=error)
