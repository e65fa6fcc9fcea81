"""The policies of customers who are deleted end with them, wherever that was heard (R-11c)."""

import asyncio
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from ringback.kit.audit import Actor
from ringback.kit.db import CHUNK
from ringback.kit.errors import Failure
from ringback.kit.uow import Work
from ringback.registrar.realms import service as realms
from ringback.router.extensions.registry import Registry
from ringback.router.policies import service
from ringback.router.work import Uow

log = structlog.get_logger()

EVERY: Final = 60.0
"""Seconds between two looks."""
BY: Final = Actor("system:customer_deleted", "system")


class Ending:
    """Looks at who has policies, and ends those of customers whom the same database knows as deleted.

    Several nodes may do so at once: each policy ends once.
    """

    def __init__(self, work: Work[Uow], registry: Registry) -> None:
        self._work = work
        self._registry = registry

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(EVERY)

    async def once(self) -> None:
        """Whatever is due now; an outage is waited for."""
        owners = sorted({customer_id for customer_id, _ in self._registry.snapshot.policies})
        try:
            for start in range(0, len(owners), CHUNK):
                some = owners[start : start + CHUNK]
                for customer_id in await self._work.read(partial(realms.deleted_among, ids=some)):
                    await self._end(customer_id)
        except Exception as error:
            told = error.sentence if isinstance(error, Failure) else type(error).__name__
            log.warning("policies of deleted customers stay", action="customer_deleted", error=told)

    async def _end(self, customer_id: UUID) -> None:
        """Some at a time; whoever else has a request goes first."""
        ended = 1
        while ended:
            ended = await self._work.acting(BY).write(partial(service.end_all, customer_id=customer_id))
            await asyncio.sleep(0)
