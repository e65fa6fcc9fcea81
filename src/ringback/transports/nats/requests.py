"""Requests over NATS."""

from collections.abc import Callable

from ringback.kit.bus import BusAway, Letter, TooLarge
from ringback.kit.errors import BrokerUnavailable
from ringback.transports.answering import LARGEST
from ringback.transports.nats.connection import Connection


class Requests:
    """A `Bus` over the one connection there is. A subject that NATS does not let us ask on is as good as no connection
    (`BusAway`): that says nothing of those who serve it."""

    def __init__(self, connection: Callable[[], Connection]) -> None:
        """`connection` gives the one there is; `BrokerUnavailable` while there is none."""
        self._connection = connection

    @property
    def largest(self) -> int:
        try:
            return min(LARGEST, self._connection().largest)
        except BrokerUnavailable:
            return LARGEST

    async def request(self, subject: str, letter: Letter, seconds: float) -> Letter:
        if len(letter.body) > LARGEST:
            raise TooLarge
        try:
            inbox = self._connection().inbox
        except BrokerUnavailable:
            raise BusAway from None
        return await inbox.ask(subject, letter, seconds)
