"""One consumer of one queue: it hands out deliveries, and knows which are in hand."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog

from ringback.transports.amqp.channel import BasicProperties, Channel
from ringback.transports.amqp.refusals import Away

LONGEST: Final = 1 << 20
"""Bytes of a message that we look into."""
AGAIN: Final = 1.0
"""Seconds before a message comes again that could not be handled."""
GOODBYE: Final = 2.0
"""Seconds for a broker to say that it sends no more."""
CANCELLED: Final = 1.0
"""Seconds that the end of something cancelled may take."""

log = structlog.get_logger()


class Delivery(msgspec.Struct, frozen=True):
    """One message in our hands; it is acknowledged or given back once, and neither matters after its channel."""

    channel: Channel
    tag: int
    properties: BasicProperties
    body: bytes
    received: float
    """When, in seconds of the consumer's clock."""

    def ack(self) -> None:
        with contextlib.suppress(Away):
            self.channel.ack(self.tag)

    def give_back(self) -> None:
        with contextlib.suppress(Away):
            self.channel.give_back(self.tag)

    def is_late(self, now: float) -> bool:
        """Whether its sender has stopped waiting: it said for how many milliseconds it would."""
        expiration = self.properties.expiration
        try:
            return expiration is not None and (now - self.received) * 1000 > int(expiration)
        except ValueError:
            return False


Declare = Callable[[Channel], Awaitable[None]]
Take = Callable[[Delivery], Awaitable[None]]
"""What is done with a delivery, in a task of its own. When that is cancelled, the delivery is given back."""


class Consumer:
    """The role of hearing a queue. Every delivery is begun at once: `prefetch` is how many may be in hand."""

    def __init__(
        self,
        setting: str,
        queue: str,
        tag: str,
        prefetch: int,
        declare: Declare,
        take: Take,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.setting = setting
        self._queue = queue
        self._tag = tag
        self._prefetch = prefetch
        self._declare = declare
        self._take = take
        self._clock = clock
        self._channel: Channel | None = None
        self._is_consuming = False
        self._is_ending = False
        self._in_hand: set[asyncio.Task[None]] = set()

    @property
    def is_active(self) -> bool:
        """Whether messages reach us now."""
        return self._is_consuming and self._channel is not None and self._channel.is_open

    async def declare(self, channel: Channel) -> None:
        await self._declare(channel)

    async def begin(self, channel: Channel) -> None:
        def on_message(tag: int, properties: BasicProperties, body: bytes) -> None:
            delivery = Delivery(channel, tag, properties, body, self._clock())
            task = asyncio.create_task(self._hold(delivery))
            self._in_hand.add(task)
            task.add_done_callback(self._in_hand.discard)

        if not self._is_ending:
            await channel.consume(self._queue, self._tag, on_message, prefetch=self._prefetch)
            self._channel = channel
            self._is_consuming = True

    def lost(self) -> None:
        self._is_consuming = False

    async def end(self) -> None:
        """Hear no more; what is in hand stays there."""
        self._is_ending = True
        was_active, self._is_consuming = self.is_active, False
        if was_active and self._channel:
            with contextlib.suppress(Away, TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await self._channel.cancel(self._tag)

    async def emptied(self, seconds: float | None) -> None:
        """Wait until nothing is in hand, at most so long; what is then is given back."""
        if self._in_hand:
            await asyncio.wait(self._in_hand, timeout=seconds)
        self.drop()
        if self._in_hand:
            await asyncio.wait(self._in_hand, timeout=CANCELLED)

    def drop(self) -> None:
        """Begin to give back what is in hand."""
        for task in self._in_hand:
            task.cancel()

    async def _hold(self, delivery: Delivery) -> None:
        try:
            await self._take(delivery)
        except asyncio.CancelledError:
            delivery.give_back()
        except Exception as error:
            log.error("a delivery failed", action="amqp", queue=self._queue, exc_info=error)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(AGAIN)
            delivery.give_back()
