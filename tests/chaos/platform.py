"""The rest of the platform: peers that ask, a customer-manager that tells, and somebody who listens to our news."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError

from tests.live.amqp import SERVICE, UPSTREAM

PATIENCE: Final = 180.0
"""Seconds that a request may go unanswered while its broker lives: daemons and databases need some to come back."""
FEW: Final = 200
LOST: Final = (AMQPError, OSError, RuntimeError)
"""What the client raises when the broker goes."""

T = TypeVar("T")


class Contradiction(Exception):
    """Something that must never be seen; the text says what it is and what had been told before."""


class Reply(NamedTuple):
    """An answer."""

    status: int
    reason: str
    data: Any

    def __str__(self) -> str:
        return f"{self.status} {self.reason}".strip()


class News(NamedTuple):
    """One of our events as it was heard."""

    id: int
    type: str
    data: Any


class Visit(NamedTuple):
    """One connection, until it is lost."""

    channel: AbstractChannel
    confirming: AbstractChannel
    replies: AbstractQueue
    waiting: dict[str, asyncio.Future[bytes | None]]
    lost: asyncio.Future[None]

    async def ended(self) -> None:
        """Return when it is lost, after something failed; until it is noticed everything fails, and at once."""
        await asyncio.wait([self.lost], timeout=PATIENCE)

    async def unless_lost(self, asked: Awaitable[Any]) -> None:
        """Wait for the broker's word; raises one of `LOST` when it goes."""
        answer = asyncio.ensure_future(asked)
        await asyncio.wait([answer, self.lost], return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            raise ConnectionResetError
        answer.result()


class Platform:
    """Comes back whenever the broker does. What was heard and how much was answered stays with it."""

    def __init__(self, url: str, broker_is_up: asyncio.Event) -> None:
        self.heard: list[News] = []
        self.answers = 0
        self._url = url
        self._is_up = broker_is_up
        self._visit: asyncio.Future[Visit] = asyncio.get_running_loop().create_future()
        self._numbers = count()
        self._goals: list[tuple[int, asyncio.Future[None]]] = []

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, broker_is_up: asyncio.Event) -> AsyncIterator["Platform"]:
        self = cls(url, broker_is_up)
        visiting = asyncio.create_task(self._come_and_go())
        await self._visit
        try:
            yield self
        finally:
            visiting.cancel()
            with suppress(asyncio.CancelledError):
                await visiting
            self._visit.cancel()  # whoever still waits for it: the client forgets now and then that it was cancelled

    async def ask(self, method: str, uri: str, data: Any = None) -> Reply | None:
        """The answer, or `None` when the broker went before it came: then nobody knows what was done, or will be.

        The request is transient, as those of Go callers are. A persistent one might be done again long after its
        answer: a broker that is killed forgets acknowledgements of the last seconds.
        """
        visit = await asyncio.shield(self._visit)
        id = f"c{next(self._numbers)}"
        envelope = {"uri": uri, "method": method, "publisher": "api-manager", "data_type": "application/json"}
        body = json.dumps({**envelope, **({} if data is None else {"data": data})}).encode()
        message = aio_pika.Message(body, correlation_id=id, reply_to=visit.replies.name)
        reply = visit.waiting[id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(PATIENCE):
                await visit.channel.default_exchange.publish(message, SERVICE.requests)
                raw = await reply
        except LOST:
            await visit.ended()
            return None
        except TimeoutError:
            raise Contradiction(f"{method} {uri} was never answered, though its broker lived") from None
        finally:
            visit.waiting.pop(id, None)
        return None if raw is None else self._answer(raw)

    async def tell(self, type: str, id: UUID) -> None:
        """As customer-manager does: again and again, until the broker has it."""
        event = {
            "type": type,
            "publisher": "customer-manager",
            "data_type": "application/json",
            "data": {"id": str(id)},
        }
        message = aio_pika.Message(json.dumps(event).encode(), delivery_mode=2)
        while True:
            visit = await asyncio.shield(self._visit)
            try:
                exchange = await visit.confirming.get_exchange(UPSTREAM, ensure=False)
                return await visit.unless_lost(exchange.publish(message, "", mandatory=False))
            except LOST:
                await visit.ended()

    async def answered(self, number: int) -> None:
        """Wait for so many more answers."""
        if not number:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._goals.append((self.answers + number, reached))
        try:
            await asyncio.wait_for(reached, PATIENCE)
        except TimeoutError:
            raise Contradiction(f"no {number} answers in {PATIENCE:g} s") from None

    def _answer(self, raw: bytes) -> Reply:
        answer = json.loads(raw)
        data = answer.get("data")
        reason = data["reason"] if answer["data_type"] == "voipbin_error" else ""
        self.answers += 1
        for goal, reached in self._goals[:]:
            if self.answers >= goal:
                self._goals.remove((goal, reached))
                reached.set_result(None)
        return Reply(answer["status_code"], reason, data)

    async def _come_and_go(self) -> None:
        while True:
            await self._is_up.wait()
            try:
                connection = await aio_pika.connect(self._url, timeout=5)
            except (*LOST, TimeoutError):
                continue
            visit = None
            lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            connection.close_callbacks.add(lambda *_, lost=lost: lost.done() or lost.set_result(None))
            try:
                async with asyncio.timeout(10):
                    visit = await self._settled(connection, lost)
                self._visit.set_result(visit)
                await lost
            except (*LOST, TimeoutError):
                continue
            finally:
                if self._visit.done():
                    self._visit = asyncio.get_running_loop().create_future()
                for reply in visit.waiting.values() if visit else ():
                    if not reply.done():
                        reply.set_result(None)
                with suppress(*LOST):
                    await connection.close()

    async def _settled(self, connection: Any, lost: asyncio.Future[None]) -> Visit:
        listening = await connection.channel()
        await listening.set_qos(prefetch_count=FEW)
        news = await listening.declare_queue("timeline", durable=True)
        exchange = await listening.declare_exchange(SERVICE.events, "fanout", durable=True)
        await news.bind(exchange)
        await news.consume(self._on_news)
        channel = await connection.channel(publisher_confirms=False)
        replies = await channel.declare_queue(exclusive=True)
        visit = Visit(channel, await connection.channel(), replies, {}, lost)

        async def on_reply(message: AbstractIncomingMessage) -> None:
            waiting = visit.waiting.pop(message.correlation_id or "", None)
            if waiting and not waiting.done():
                waiting.set_result(message.body)

        await replies.consume(on_reply, no_ack=True)
        return visit

    async def _on_news(self, message: AbstractIncomingMessage) -> None:
        body = json.loads(message.body)
        self.heard.append(News(int(message.message_id or 0), body["type"], body["data"]))
        with suppress(*LOST):
            await message.ack()
