"""The buses of one process, for events and for requests, and the way to services in it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import msgspec
import structlog

from ringback.kit import bus
from ringback.kit.bus import Letter, NoResponders, TooLarge
from ringback.kit.errors import PeerUnavailable
from ringback.kit.events import Message
from ringback.kit.rpc import Send, Serve
from ringback.transports.answering import LARGEST, Answering
from ringback.transports.awaiting import Awaited, give, within

PATIENCE: Final = 5.0
"""Seconds that the following of an event may take before others are followed beside it."""
MOST: Final = 100
"""Events that are followed at the same time."""

log = structlog.get_logger()


class MemoryBus:
    """Calls every listener, in order, in the loop; one that raises keeps nothing from the others."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Message], None]] = []

    async def publish(self, message: Message) -> None:
        for listener in list(self._listeners):
            try:
                listener(message)
            except Exception as error:
                log.error("a listener failed", action="publish", type=message.type, exc_info=error)

    def subscribe(self, listener: Callable[[Message], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


class Inward:
    """Takes events to those of this process who follow them; an event is safe when it has been followed.

    One that takes longer than `patience` seconds goes on beside the others, so that none waits for a customer with
    thousands of phones, or for an event that is tried again: what is to be finished stands in the database anyway.
    """

    def __init__(self, take: Callable[[bytes], Awaitable[object]], patience: float = PATIENCE) -> None:
        self._take = take
        self._patience = patience
        self._going: set[asyncio.Future[object]] = set()

    async def publish(self, message: Message) -> None:
        while len(self._going) >= MOST:
            await asyncio.wait(self._going, return_when=asyncio.FIRST_COMPLETED)
        following = asyncio.ensure_future(self._take(msgspec.json.encode(message.envelope())))
        self._going.add(following)
        following.add_done_callback(self._going.discard)
        done, _ = await asyncio.wait([following], timeout=self._patience)
        for one in done:
            one.result()

    async def close(self) -> None:
        """Leave what still goes on to the next start."""
        going = list(self._going)
        for following in going:
            following.cancel()
        await asyncio.gather(*going, return_exceptions=True)


class MemoryServices:
    """Requests to services of this process, with the manners of NATS: whoever asks and whoever answers need not know
    which of the two it is. The members of a queue group take turns."""

    largest: Final = LARGEST

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, deque[Answering]]] = {}

    async def request(self, subject: str, letter: Letter, seconds: float) -> Letter:
        if len(letter.body) > self.largest:
            raise TooLarge
        if subject not in self._groups:
            raise NoResponders
        reply: Awaited = asyncio.get_running_loop().create_future()
        for members in self._groups[subject].values():
            members[0].take(letter, partial(give, reply))
            members.rotate(-1)
        return await within(seconds, reply)

    async def serve(
        self, name: str, subject: str, serve: bus.Serve, *, queue: str = "q"
    ) -> Callable[[], Awaitable[None]]:
        answering = Answering(name, serve)
        groups = self._groups.setdefault(subject, {})
        members = groups.setdefault(queue, deque())
        members.append(answering)

        async def stop() -> None:
            if answering in members:
                members.remove(answering)
                if not members:
                    del groups[queue]
                if not groups:
                    del self._groups[subject]
            await answering.finish()

        return stop


def services(serving: Mapping[str, Serve]) -> Send:
    """The way to peers in this process, for those who ask: targets by name, and what serves each."""

    async def send(target: str, envelope: bytes, seconds: float) -> bytes:
        if target not in serving:
            raise PeerUnavailable(asked=False)
        return await serving[target](envelope)

    return send
