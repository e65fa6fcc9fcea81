"""News of calls, straight from this node: they are told while somebody hears them, and stand nowhere (router 6.2)."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import structlog

from ringback.kit.columns import NIL
from ringback.kit.events import Message, Publisher
from ringback.router.canonical import time_of
from ringback.router.extensions.registry import Registry
from ringback.router.writing import PUBLISHER

MOST: Final = 1000
"""That wait to be told; what comes when so many do is not."""

log = structlog.get_logger()


class Telling:
    """Tells in order, beside the calls. What the bus does not take is lost: the next news say how it is by then."""

    def __init__(self, registry: Registry, bus: Publisher, now: Callable[[], datetime]) -> None:
        self._registry = registry
        self._bus = bus
        self._now = now
        self._waiting: asyncio.Queue[Message] = asyncio.Queue(MOST)
        self._has_lost = False
        registry.circuits.changed = self.circuit

    def circuit(self, id: str, state: str, reason: str) -> None:
        """A breaker is in another state."""
        self._tell("circuit_state_updated", {"id": id, "state": state, "reason": reason})

    def health(self, id: str, health: dict[str, Any]) -> None:
        """A router extension does like this now."""
        self._tell("extension_health_updated", {"id": id, "health": health})

    def _tell(self, type: str, data: dict[str, Any]) -> None:
        now = self._now()
        body = {
            "registry_revision": self._registry.snapshot.revision,
            "node": self._registry.node,
            "at": time_of(now),
            "data": data,
        }
        if not self._waiting.full():
            self._waiting.put_nowait(Message(uuid4().int >> 75, PUBLISHER, type, NIL, NIL, body, now))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._publish(await self._waiting.get())

    async def _publish(self, message: Message) -> None:
        try:
            await self._bus.publish(message)
        except Exception as error:
            if not self._has_lost:
                log.warning(
                    "how router extensions do is not told for now", action="publish", error=type(error).__name__
                )
            self._has_lost = True
        else:
            self._has_lost = False
