"""News: what an event is, and what a bus must do with it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec


@dataclass(frozen=True, slots=True)
class Event:
    """Something that became true. `data` is its public payload, without secrets.

    `object_id` is the thing that changed: events of one object stay in order. One that is nil is about no single
    object: it comes behind all that was told before, and before all that is told later. `subscription_id` is what a
    listener would subscribe to (often the object itself).
    """

    publisher: str
    type: str
    object_id: UUID
    subscription_id: UUID
    data: msgspec.Struct


@dataclass(frozen=True, slots=True)
class Message:
    """An event on its way: `id` never repeats, so listeners can drop what they have seen."""

    id: int
    publisher: str
    type: str
    object_id: UUID
    subscription_id: UUID
    data: object
    tm_create: datetime

    def envelope(self) -> dict[str, object]:
        """The four keys that go over the wire (registrar 3.1)."""
        return {"type": self.type, "publisher": self.publisher, "data_type": "application/json", "data": self.data}


class Publisher(Protocol):
    """Carries messages away."""

    async def publish(self, message: Message) -> None:
        """Return once the message is safe with those who carry it; raise when it is not, and it will be given again.

        Messages that are given at the same time are carried in the order of the calls.
        """


class Bus(Publisher, Protocol):
    """Carries messages to whoever listens in this process."""

    def subscribe(self, listener: Callable[[Message], None]) -> Callable[[], None]:
        """Call `listener` for every message from now on, until the returned function is called."""
