"""Requests of others, from our queue to the service and back to whoever asked (registrar 2.2, 2.3)."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from ringback.kit.errors import Failure, Internal
from ringback.kit.gate import Gate
from ringback.kit.rpc import InvalidEnvelope, Serve, refusal
from ringback.transports.amqp.channel import BasicProperties, Channel
from ringback.transports.amqp.consumer import LONGEST, Consumer, Delivery
from ringback.transports.amqp.link import Link
from ringback.transports.amqp.refusals import Away
from ringback.transports.amqp.topology import Topology

PREFETCH: Final = 32
CALM: Final = 2.0
"""Seconds that a consumer is kept after it was needed."""

log = structlog.get_logger()


class Requests:
    """Answers what comes to the queue of requests, each in a task of its own.

    Requests that wait at `gate` for other services keep their places at the broker, which would hand out no more: so
    there is one more consumer for every `prefetch` of them, and half of `prefetch` is always free for the others.
    """

    def __init__(
        self,
        link: Link,
        topology: Topology,
        serve: Serve,
        prefetch: int = PREFETCH,
        gate: Gate | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds."""
        self._link = link
        self._topology = topology
        self._serve = serve
        self._prefetch = prefetch
        self._gate = gate
        self._clock = clock
        self._thinning: asyncio.Task[None] | None = None
        self._consumers: list[Consumer] = []
        self._leaving: list[Consumer] = []
        self._grow()
        if gate:
            gate.watch(self._on_waiting)

    @property
    def is_active(self) -> bool:
        return self._consumers[0].is_active

    async def drain(self, seconds: float) -> None:
        """Take no more; let what is in hand be answered, at most so long, and give the rest back."""
        if self._gate:
            self._gate.watch(None)
        if self._thinning:
            self._thinning.cancel()
        everyone = [*self._consumers, *self._leaving]
        await asyncio.gather(*(consumer.end() for consumer in everyone))
        await asyncio.gather(*(consumer.emptied(seconds) for consumer in everyone))
        for consumer in everyone:
            await self._link.remove(consumer)

    async def _answer(self, delivery: Delivery) -> None:
        if delivery.is_late(self._clock()):
            log.info("too late for a request", action="rpc")
        elif answer := await self._answer_to(delivery.body):
            _reply(delivery, answer)
        delivery.ack()

    async def _answer_to(self, body: bytes) -> bytes:
        if len(body) > LONGEST:
            log.warning("a request is too long", action="rpc", bytes=len(body))
            return self._refusal(InvalidEnvelope())
        try:
            return await self._serve(body)
        except Exception as error:
            log.error("failed", action="rpc", exc_info=error)
            return self._refusal(Internal())

    def _refusal(self, failure: Failure) -> bytes:
        return msgspec.json.encode(refusal(failure, self._topology.service))

    def _grow(self) -> None:
        names = self._topology
        consumer = Consumer(
            "rabbit_queue_listen",
            names.requests,
            names.service,
            self._prefetch,
            self._declare,
            self._answer,
            self._clock,
        )
        self._consumers.append(consumer)
        self._link.add(consumer)

    async def _declare(self, channel: Channel) -> None:
        await channel.declare_queue(self._topology.requests)

    def _on_waiting(self, waiting: int) -> None:
        wanted = self._wanted(waiting)
        while len(self._consumers) < wanted:
            self._grow()
        if len(self._consumers) > wanted and (self._thinning is None or self._thinning.done()):
            self._thinning = asyncio.create_task(self._thin())

    def _wanted(self, waiting: int) -> int:
        """Consumers, so that half of `prefetch` is free while so many wait."""
        return max(1, -(-(waiting + self._prefetch // 2) // self._prefetch))

    async def _thin(self) -> None:
        """After a while, end the consumers that are not needed any more."""
        assert self._gate is not None
        while len(self._consumers) > 1:
            await asyncio.sleep(CALM)
            for consumer in self._consumers[self._wanted(self._gate.waiting) :]:
                self._consumers.remove(consumer)
                self._leaving.append(consumer)
                await consumer.end()
                await consumer.emptied(None)
                await self._link.remove(consumer)
                self._leaving.remove(consumer)


def _reply(delivery: Delivery, answer: bytes) -> None:
    """Send the answer where the caller wants it, if anywhere. `Away` is no loss: the request will come again."""
    asked = delivery.properties
    if asked.reply_to:
        properties = BasicProperties(content_type="text/plain", correlation_id=asked.correlation_id)
        try:
            delivery.channel.publish("", asked.reply_to, answer, properties)
        except Away:
            log.warning("no way back for a reply", action="rpc")
