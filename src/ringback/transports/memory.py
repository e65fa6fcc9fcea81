"""The bus of one process."""

from collections.abc import Callable

import structlog

from ringback.kit.events import Message

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
