"""Events of others, from our queue to whoever follows them (registrar 2.2)."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from ringback.transports.amqp.channel import Channel
from ringback.transports.amqp.consumer import LONGEST, Consumer, Delivery
from ringback.transports.amqp.link import Link
from ringback.transports.amqp.refusals import Refused
from ringback.transports.amqp.topology import Topology

PREFETCH: Final = 10

Take = Callable[[bytes], Awaitable[object]]
"""Follows one event; when it returns, the event may be forgotten."""

log = structlog.get_logger()


class Subscription(Consumer):
    """Acknowledges an event when it has been followed, however long that takes.

    Whatever is in hand when the channel goes comes again, so it is dropped here: two of it would be one too many.
    """

    def __init__(self, topology: Topology, take: Take, prefetch: int = PREFETCH) -> None:
        super().__init__(
            "rabbit_queue_subscribe", topology.subscription, topology.service, prefetch, self._make, self._follow
        )
        self._topology = topology
        self._follows = take

    async def drain(self, link: Link) -> None:
        """Take no more and give back what is in hand: it may be within a pause of minutes."""
        await self.end()
        await self.emptied(0)
        await link.remove(self)

    def lost(self) -> None:
        super().lost()
        if self._channel and not self._channel.is_open:
            self.drop()

    async def _make(self, channel: Channel) -> None:
        """The upstream exchanges too: whoever starts first makes them (registrar R-3)."""
        await channel.declare_queue(self._topology.subscription)
        try:
            for exchange in self._topology.upstreams:
                await channel.declare_exchange(exchange)
                await channel.bind(self._topology.subscription, exchange)
        except Refused as refused:  # that exchange is somebody else's, and another is at another broker
            refused.setting = "rabbitmq_address"
            raise

    async def _follow(self, delivery: Delivery) -> None:
        if len(delivery.body) > LONGEST:
            log.warning("an event is too long", action="event", bytes=len(delivery.body))
        else:
            await self._follows(delivery.body)
        delivery.ack()
