"""The bus of one process, and the way to services in it."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
import structlog

from ringback.kit.errors import PeerUnavailable
from ringback.kit.events import Message
from ringback.kit.rpc import Send, Serve

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
    """Takes events to those of this process who follow them; an event is safe when it has been followed."""

    def __init__(self, take: Callable[[bytes], Awaitable[object]]) -> None:
        self._take = take

    async def publish(self, message: Message) -> None:
        await self._take(msgspec.json.encode(message.envelope()))


def services(serving: Mapping[str, Serve]) -> Send:
    """The way to peers in this process, for those who ask: targets by name, and what serves each."""

    async def send(target: str, envelope: bytes, seconds: float) -> bytes:
        if target not in serving:
            raise PeerUnavailable(asked=False)
        return await serving[target](envelope)

    return send
