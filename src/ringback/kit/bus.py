"""Requests on subjects: each is answered once, by one of those who serve it; over NATS or in one process."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

import msgspec

NONE: Final[Mapping[str, str]] = MappingProxyType({})


class Letter(msgspec.Struct, frozen=True):
    """A request or a reply as it goes over the wire: bytes, mostly JSON, and headers."""

    body: bytes
    headers: Mapping[str, str] = NONE


class Unanswered(Exception):
    """A request that got no reply. No word of it is in the text."""


class NoResponders(Unanswered):
    """Nobody serves the subject; that is known at once."""


class NotServedYet(NoResponders):
    """The same where the connection is so new that those who serve it may not be back themselves."""


class TooLate(Unanswered):
    """No reply came in time."""


class BusAway(Unanswered):
    """There is no connection, or it went while the reply was awaited, or we have no right to ask there."""


class TooLarge(Unanswered):
    """The request is larger than the bus carries; nobody has seen it."""


class Bus(Protocol):
    """Asks. One connection for the whole process, and any number of requests at the same time (R-9a)."""

    @property
    def largest(self) -> int:
        """Bytes that the body of a request may have: 1 MiB, or less where the server says so (R-9f)."""

    async def request(self, subject: str, letter: Letter, seconds: float) -> Letter:
        """The one reply to it, or an `Unanswered`. What comes later, or twice, is dropped."""


Serve = Callable[[Letter], Awaitable[Letter]]
"""Answers one request; what it raises is told the asker as an error reply (`Nats-Service-Error`), without its text."""


class Services(Protocol):
    """Where those who answer make themselves known."""

    async def serve(self, name: str, subject: str, serve: Serve, *, queue: str = "q") -> Callable[[], Awaitable[None]]:
        """Answer a subject from now on, until the returned function is called: then what is in hand is answered first.

        Of all who share a queue group one gets each request. Over NATS it is a micro service of that name.
        """
