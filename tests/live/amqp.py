"""What the tests of RabbitMQ have in common: a peer that speaks AMQP by another library, and our side with a stub."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, Self
from uuid import UUID, uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue

from ringback.kit.events import Message
from ringback.kit.rpc import Serve
from ringback.transports import amqp
from tests.live.conftest import until
from tests.patience import ENOUGH

SERVICE: Final = amqp.Topology.of("registrar-manager", "customer-manager")
UPSTREAM: Final = "bin-manager.customer-manager.event"
OK: Final = b'{"status_code":200,"data_type":""}'
ENVELOPE: Final = b'{"uri":"/v1/extensions/count_by_customer","method":"GET"}'

Take = Callable[[bytes], Awaitable[object]]


@dataclass(slots=True)
class Peer:
    """Another program of the platform, with a queue for replies as Go callers have it; messages are taken in order."""

    connection: AbstractConnection
    channel: AbstractChannel
    replies: AbstractQueue
    _waiting: dict[str, asyncio.Future[AbstractIncomingMessage]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)
    other: asyncio.Queue[AbstractIncomingMessage] = field(default_factory=asyncio.Queue)
    """Replies without a correlation id that we wait for."""

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncIterator[Self]:
        connection = await aio_pika.connect(url)
        async with connection:
            channel = await connection.channel(on_return_raises=True)
            replies = await channel.declare_queue(exclusive=True)
            self = cls(connection, channel, replies)
            await replies.consume(self._on_reply, no_ack=True)
            yield self

    async def tell(self, queue: str, body: bytes, exchange: str = "", **properties: Any) -> None:
        """Publish to a queue, or to an exchange; returns when the broker has it."""
        to = await self.channel.get_exchange(exchange, ensure=False) if exchange else self.channel.default_exchange
        await to.publish(aio_pika.Message(body, **properties), queue, mandatory=not exchange)

    async def ask(self, body: bytes = ENVELOPE, queue: str = SERVICE.requests, **properties: Any) -> bytes:
        """The reply to a request with a correlation id."""
        id = f"c{next(self._numbers)}"
        reply: asyncio.Future[AbstractIncomingMessage] = asyncio.get_running_loop().create_future()
        self._waiting[id] = reply
        try:
            async with asyncio.timeout(ENOUGH):
                await self.tell(queue, body, correlation_id=id, reply_to=self.replies.name, **properties)
                return (await reply).body
        finally:
            del self._waiting[id]

    async def ask_as_go(self, body: bytes = ENVELOPE, queue: str = SERVICE.requests) -> AbstractIncomingMessage:
        """The whole reply to a request without one."""
        async with asyncio.timeout(ENOUGH):
            await self.tell(queue, body, reply_to=self.replies.name, content_type="text/plain")
            return await self.other.get()

    async def listen(self, exchange: str, **queue: Any) -> AbstractQueue:
        """A durable queue for what is told there from now on."""
        made = await self.channel.declare_queue(f"listens.{exchange}", durable=True, **queue)
        await made.bind(exchange)
        return made

    async def count(self, queue: str) -> tuple[int, int]:
        """(messages that are ready, consumers) of a queue."""
        found = (await self.channel.declare_queue(queue, passive=True)).declaration_result
        return found.message_count or 0, found.consumer_count or 0

    async def _on_reply(self, message: AbstractIncomingMessage) -> None:
        waiting = self._waiting.get(message.correlation_id or "")
        if waiting:
            waiting.set_result(message)
        else:
            self.other.put_nowait(message)


@asynccontextmanager
async def serving(
    url: str, serve: Serve | None = None, take: Take | None = None, *, drain: float = 5.0, **more: Any
) -> AsyncIterator[amqp.Broker]:
    """Our side, while inside; `more` are the options of `Broker.serve`."""
    broker = amqp.Broker(url, SERVICE)
    if serve:
        broker.serve(serve, **more)
    if take:
        broker.follow(take)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.drain(drain)
        await broker.close()


def event(id: int, object_id: UUID | None = None, **data: object) -> Message:
    """One of ours, on its way."""
    about = object_id or uuid4()
    return Message(
        id, SERVICE.service, "extension_created", about, about, {"id": str(about), **data}, datetime.now(UTC)
    )


async def ok(body: bytes) -> bytes:
    return OK


async def until_count(peer: Peer, queue: str, expected: tuple[int, int]) -> None:
    """Wait until so many messages are ready, and so many consumers are there."""

    async def seen() -> bool:
        return await peer.count(queue) == expected

    assert await until(seen)


def reason(reply: bytes) -> tuple[int, str]:
    """(code, reason) of a typed error."""
    raw = json.loads(reply)
    assert raw["data_type"] == "voipbin_error"
    assert raw["data"]["domain"] == SERVICE.service
    return raw["status_code"], raw["data"]["reason"]
