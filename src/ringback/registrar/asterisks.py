"""The Asterisks that tell us what happens, each over a link of its own, the edges that do, and what we make of it."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from ringback.registrar.contacts.live import Live
from ringback.registrar.metrics import Metrics
from ringback.registrar.refusals.keeping import RefusalsKeeping
from ringback.sip import edge_words
from ringback.sip.ami import Address, Message
from ringback.sip.ami_caches import Cache, Caches
from ringback.sip.ami_events import Refusals, refused, touched
from ringback.sip.ami_link import Link

log = structlog.get_logger()

LEAVING: Final = 2.0
"""Seconds that a process which does not stay gives them."""


class Asterisks:
    """All Asterisks of the setting; without one nobody tells us anything, and the feed looks at its intervals."""

    def __init__(
        self,
        addresses: tuple[Address, ...],
        live: Live,
        refusals: Refusals,
        caches: Caches,
        metrics: Metrics,
        clock: Callable[[], datetime],
        keeping: RefusalsKeeping,
    ) -> None:
        self.live = live
        self.keeping = keeping
        self._refusals = refusals
        self._clock = clock
        self.links = [Link(one, self.hear, partial(self._connected, number)) for number, one in enumerate(addresses)]
        self._caches = caches
        self._stays = False
        caches.each = [Cache(str(link.address), link) for link in self.links]
        for link in self.links:
            metrics.asterisk_connected.labels(str(link.address)).set_function(partial(_connected, link))

    def hear(self, message: Message) -> None:
        """What one event says: that a phone's contacts may have changed, or that somebody was refused."""
        if endpoint_id := touched(message):
            self.live.hear(endpoint_id)
        elif found := refused(message, self._clock()):
            self._refusals.note(*found)

    def hear_edge(self, datagram: bytes) -> None:
        """What one word of a Kamailio says, likewise; anything else that comes there is nothing."""
        if endpoint_id := edge_words.touched(datagram):
            self.live.hear(endpoint_id)
        elif found := edge_words.refused(datagram, self._clock()):
            self._refusals.note(*found)

    async def run(self, *, edges: bool) -> None:
        """Until cancelled; where neither Asterisks nor `edges` tell us anything, there is nothing to do."""
        self._stays = True
        if self.links or edges:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.live.run())
                tasks.create_task(self.keeping.run())
                for link, cache in zip(self.links, self._caches.each, strict=True):
                    tasks.create_task(link.run())
                    tasks.create_task(cache.run())

    def _connected(self, number: int) -> None:
        """What happened before was not heard, and what changed could not be told."""
        cache = self._caches.each[number]
        if self._stays:
            self.live.miss()
            cache.forget_all()
            log.info("an Asterisk tells its events", action="ami", asterisk=cache.name)
        else:
            cache.forget(())

    async def tell(self, within: float = LEAVING) -> list[str]:
        """For a process that does not stay: have what it changed forgotten; names of those that could not be told."""
        if not (due := self._caches.due):
            return []
        works = [*(link.run() for link in self.links), *(cache.run() for cache in self._caches.each)]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            return await self._caches.wait(due, within)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


def _connected(link: Link) -> float:
    return float(link.is_connected)
