"""The Asterisks that tell us what happens, each over a link of its own, and what we make of it."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

from ringback.registrar.contacts.live import Live
from ringback.registrar.metrics import Metrics
from ringback.sip.ami import Address, Message
from ringback.sip.ami_caches import Cache, Caches
from ringback.sip.ami_events import Refusals, refused, touched
from ringback.sip.ami_link import Link


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
    ) -> None:
        self.live = live
        self._refusals = refusals
        self._clock = clock
        self.links = [Link(one, self.hear, partial(self._connected, number)) for number, one in enumerate(addresses)]
        self._caches = caches
        caches.each = [Cache(str(link.address), link) for link in self.links]
        for link in self.links:
            metrics.asterisk_connected.labels(str(link.address)).set_function(partial(_connected, link))

    def hear(self, message: Message) -> None:
        """What one event says: that a phone's contacts may have changed, or that somebody was refused."""
        if endpoint_id := touched(message):
            self.live.hear(endpoint_id)
        elif found := refused(message, self._clock()):
            self._refusals.note(*found)

    async def run(self) -> None:
        """Until cancelled; without Asterisks there is nothing to do."""
        if self.links:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.live.run())
                for link, cache in zip(self.links, self._caches.each, strict=True):
                    tasks.create_task(link.run())
                    tasks.create_task(cache.run())

    def _connected(self, number: int) -> None:
        """What happened before was not heard, and what changed could not be told."""
        self.live.miss()
        self._caches.each[number].forget_all()


def _connected(link: Link) -> float:
    return float(link.is_connected)
