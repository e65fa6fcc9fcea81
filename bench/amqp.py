"""The client of RabbitMQ by itself, as its own documentation has it: what the bench's load and floors are made of."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel
from pika.spec import BasicProperties

PREFETCH: Final = 32
"""As Ringback has it."""

Handle = Callable[[bytes], Awaitable[bytes]]


@asynccontextmanager
async def channel(url: str) -> AsyncIterator[Channel]:
    """An open one on a connection of its own."""
    opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    connection = AsyncioConnection(
        pika.URLParameters(url),
        on_open_callback=lambda one: one.channel(on_open_callback=opened.set_result),
        on_open_error_callback=lambda _, error: opened.set_exception(error),
        custom_ioloop=asyncio.get_running_loop(),
    )
    try:
        yield await opened
    finally:
        if connection.is_open:
            closed = asyncio.get_running_loop().create_future()
            connection.add_on_close_callback(lambda *_: closed.set_result(None))
            connection.close()
            await closed


async def done(method: Callable[..., Any], *values: object, **named: object) -> Any:
    """Call a method of a channel, and wait for the broker's answer."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    method(*values, **named, callback=answer.set_result)
    return await answer


async def serve(on: Channel, queue: str, handle: Handle | None) -> None:
    """Answer what comes to a queue from now on, each in a task of its own; without `handle` by what was asked."""
    tasks = set()

    def answer(tag: int, asked: BasicProperties, body: bytes) -> None:
        on.basic_publish("", asked.reply_to, body, BasicProperties(correlation_id=asked.correlation_id))
        on.basic_ack(tag)

    async def handled(tag: int, asked: BasicProperties, body: bytes) -> None:
        assert handle
        answer(tag, asked, await handle(body))

    def heard(_: Channel, deliver: Any, asked: BasicProperties, body: bytes) -> None:
        if handle is None:
            answer(deliver.delivery_tag, asked, body)
            return
        task = asyncio.get_running_loop().create_task(handled(deliver.delivery_tag, asked, body))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    await done(on.queue_declare, queue)
    await done(on.basic_qos, prefetch_count=PREFETCH)
    await done(on.basic_consume, queue, heard)


class Caller:
    """Asks over one channel, any number at a time; replies come to a queue of its own."""

    def __init__(self, on: Channel) -> None:
        self._on = on
        self._replies = ""
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._asked = 0

    async def start(self) -> None:
        self._replies = (await done(self._on.queue_declare, "", exclusive=True)).method.queue
        await done(self._on.basic_consume, self._replies, self._heard, auto_ack=True)

    async def ask(self, queue: str, body: bytes) -> bytes:
        """The reply."""
        self._asked += 1
        id = str(self._asked)
        reply: asyncio.Future[bytes]
        reply = self._waiting[id] = asyncio.get_running_loop().create_future()
        self._on.basic_publish("", queue, body, BasicProperties(correlation_id=id, reply_to=self._replies))
        return bytes(await reply)

    def _heard(self, _: Channel, __: Any, properties: BasicProperties, body: bytes) -> None:
        if waiting := self._waiting.pop(properties.correlation_id or "", None):
            waiting.set_result(body)
