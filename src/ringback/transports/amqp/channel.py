"""One channel: pika's callbacks as awaitables, and the broker's complaints as errors of ours."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

from pika.channel import Channel as PikaChannel
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties

from ringback.transports.amqp.refusals import Away, of_channel, text_of

OnMessage = Callable[[int, BasicProperties, bytes], None]
"""(delivery tag, properties, body); called in the loop, must not raise."""
OnConfirm = Callable[[int, bool, bool], None]
"""(delivery tag, whether all before it are meant as well, whether the broker has it)"""
OnReturn = Callable[[BasicProperties], None]
"""The properties of a message that found no queue."""

__all__ = ["BasicProperties", "Channel", "OnConfirm", "OnMessage", "OnReturn"]


class Channel:
    """Every method raises `Away` when the channel has gone, those that ask also `Refused`."""

    def __init__(self, channel: PikaChannel) -> None:
        self._channel = channel
        self._asked: set[asyncio.Future[Any]] = set()
        self._reason: BaseException | None = None
        self._disturbance = asyncio.Event()
        self._in_hand: dict[int, None] = {}
        """Deliveries that are neither acknowledged nor given back, in their order."""
        self._acked: list[int] = []
        channel.add_on_close_callback(self._on_close)
        channel.add_on_cancel_callback(lambda frame: self._disturbance.set())

    @property
    def is_open(self) -> bool:
        return bool(self._channel.is_open)

    async def disturbed(self) -> None:
        """Return when the broker has cancelled a consumer; `Away` when the channel has gone."""
        await self._disturbance.wait()
        self._disturbance.clear()
        if self._reason is not None:
            raise Away(text_of(self._reason))

    async def declare_queue(self, name: str) -> None:
        """A durable queue that everybody may use (registrar 2.1)."""
        await self._ask(f"the queue {name}", self._channel.queue_declare, queue=name, durable=True)

    async def declare_own_queue(self) -> str:
        """A queue for this connection alone, gone when its consumer is; its name is the broker's choice."""
        declare = self._channel.queue_declare
        frame = await self._ask("a queue of our own", declare, queue="", exclusive=True, auto_delete=True)
        return str(frame.method.queue)

    async def declare_exchange(self, name: str) -> None:
        """A durable exchange to all who are bound to it (registrar 2.1)."""
        declare = self._channel.exchange_declare
        await self._ask(f"the exchange {name}", declare, exchange=name, exchange_type="fanout", durable=True)

    async def bind(self, queue: str, exchange: str) -> None:
        what = f"the binding of the queue {queue} to the exchange {exchange}"
        await self._ask(what, self._channel.queue_bind, queue=queue, exchange=exchange, routing_key="")

    async def consume(
        self, queue: str, tag: str, on_message: OnMessage, *, prefetch: int = 0, auto_ack: bool = False
    ) -> None:
        """Hear the messages of a queue, at most `prefetch` of them unacknowledged; 0: any number."""
        if prefetch:
            await self._ask("the prefetch", self._channel.basic_qos, prefetch_count=prefetch)

        def heard(_: PikaChannel, deliver: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
            if not auto_ack:
                self._in_hand[deliver.delivery_tag] = None
            on_message(deliver.delivery_tag, properties, body)

        await self._ask(
            f"the queue {queue}",
            self._channel.basic_consume,
            queue=queue,
            on_message_callback=heard,
            consumer_tag=tag,
            auto_ack=auto_ack,
        )

    async def cancel(self, tag: str) -> None:
        """Hear no more; what comes until the broker knows goes back to the queue."""
        await self._ask("the end of consuming", self._channel.basic_cancel, consumer_tag=tag)

    async def confirm(self, on_confirm: OnConfirm) -> None:
        """From now on the broker says of every message published here whether it has it; they count from 1."""

        def confirmed(frame: Any) -> None:
            on_confirm(frame.method.delivery_tag, frame.method.multiple, isinstance(frame.method, Basic.Ack))

        await self._ask("confirms", self._channel.confirm_delivery, confirmed)

    def on_return(self, hear: OnReturn) -> None:
        self._channel.add_on_return_callback(lambda channel, method, properties, body: hear(properties))

    def publish(
        self, exchange: str, key: str, body: bytes, properties: BasicProperties, *, mandatory: bool = False
    ) -> None:
        try:
            self._channel.basic_publish(exchange, key, body, properties, mandatory)
        except AMQPError as error:
            raise Away(text_of(error)) from None

    def ack(self, tag: int) -> None:
        """Acknowledge, together with all others of this turn of the loop."""
        if not self.is_open:
            raise Away(text_of(self._reason) if self._reason else "")
        if not self._acked:
            asyncio.get_running_loop().call_soon(self._send_acks)
        self._acked.append(tag)
        self._in_hand.pop(tag, None)

    def give_back(self, tag: int) -> None:
        self._in_hand.pop(tag, None)
        try:
            self._channel.basic_nack(tag, requeue=True)
        except AMQPError as error:
            raise Away(text_of(error)) from None

    def close(self) -> None:
        """Begin to close it, if it is open: what is unacknowledged goes back to its queue."""
        if self.is_open:
            self._send_acks()
            self._channel.close()

    def _send_acks(self) -> None:
        """One word for those before the first that is still in hand, one more for each of the others."""
        acked, self._acked = sorted(self._acked), []
        if not self.is_open:
            return
        first = next(iter(self._in_hand), math.inf)
        together = [tag for tag in acked if tag < first]
        if together:
            self._channel.basic_ack(together[-1], multiple=True)
        for tag in acked[len(together) :]:
            self._channel.basic_ack(tag)

    async def _ask(self, what: str, method: Callable[..., Any], *values: object, **named: object) -> Any:
        """Call a method of the channel and wait for the broker's answer."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.add(answer)

        def answered(frame: object) -> None:
            if not answer.done():
                answer.set_result(frame)

        try:
            method(*values, **named, callback=answered)
            return await answer
        except AMQPError as error:
            raise of_channel(what, error) from None
        finally:
            self._asked.discard(answer)

    def _on_close(self, channel: PikaChannel, reason: BaseException) -> None:
        self._reason = reason
        self._disturbance.set()
        for answer in self._asked:
            if not answer.done():
                answer.set_exception(reason)
