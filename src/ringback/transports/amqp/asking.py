"""Requests to other services, and their replies by a queue of our own (registrar 2.3)."""

import asyncio
from itertools import count
from typing import Final

from ringback.kit.errors import PeerUnavailable
from ringback.transports.amqp.channel import BasicProperties, Channel
from ringback.transports.amqp.refusals import Away

TAG: Final = "replies"


class Asking:
    """The role of asking others; targets are names of queues. A reply that nobody waits for any more is let go."""

    def __init__(self, setting: str) -> None:
        self.setting = setting
        self._numbers = count()
        self._replies = ""
        self._channel: Channel | None = None
        self._waiting: dict[str, asyncio.Future[bytes]] = {}

    async def send(self, target: str, envelope: bytes, seconds: float) -> bytes:
        """The reply; the time is the caller's to watch. `PeerUnavailable` when there is no such queue, or no broker."""
        if self._channel is None:
            raise PeerUnavailable(asked=False)
        id = str(next(self._numbers))
        properties = BasicProperties(
            content_type="text/plain",
            reply_to=self._replies,
            correlation_id=id,
            expiration=str(max(1, round(seconds * 1000))),
        )
        try:
            self._channel.publish("", target, envelope, properties, mandatory=True)
        except Away:
            raise PeerUnavailable(asked=False) from None
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[id] = reply
        try:
            return await reply
        finally:
            self._waiting.pop(id, None)

    async def declare(self, channel: Channel) -> None:
        self._replies = await channel.declare_own_queue()

    async def begin(self, channel: Channel) -> None:
        channel.on_return(self._on_return)
        await channel.consume(self._replies, TAG, self._on_reply, auto_ack=True)
        self._channel = channel

    def lost(self) -> None:
        self._channel = None
        for reply in self._waiting.values():
            _fail(reply, PeerUnavailable())

    def _on_reply(self, tag: int, properties: BasicProperties, body: bytes) -> None:
        reply = self._waiting.get(properties.correlation_id)
        if reply and not reply.done():
            reply.set_result(body)

    def _on_return(self, properties: BasicProperties) -> None:
        reply = self._waiting.get(properties.correlation_id)
        if reply:
            _fail(reply, PeerUnavailable(asked=False))


def _fail(reply: asyncio.Future[bytes], failure: PeerUnavailable) -> None:
    if not reply.done():
        reply.set_exception(failure)
