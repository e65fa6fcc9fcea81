"""The bus of one process."""

from collections.abc import Callable

from ringback.kit.events import Message


class MemoryBus:
    """Calls every listener, in order, in the loop."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Message], None]] = []

    async def publish(self, message: Message) -> None:
        for listener in list(self._listeners):
            listener(message)

    def subscribe(self, listener: Callable[[Message], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
