"""Where the replies to what one connection asks arrive: one subscription for all of them (router R-9a)."""

import asyncio
from collections.abc import Iterator
from secrets import token_hex
from typing import Final

from ringback.kit.bus import BusAway, Letter, NoResponders, NotServedYet, TooLate
from ringback.transports.awaiting import Awaited, fail, give, within
from ringback.transports.nats.client import INBOX, Away, Client, headers_of
from ringback.transports.nats.letters import published

NOBODY: Final = b"NATS/1.0 503"
TOKEN: Final = 16
"""Letters that nobody guesses: who is asked one thing cannot answer another."""
STOCK: Final = 512
LOOK: Final = 0.05
"""Seconds after a request, or half of those that it may take, the server is asked at the latest whether it is there."""
SILENCE: Final = 0.039
"""Seconds after which it would have said so: if it says nothing at all, no service is to blame. Of the 40 ms of a call
a little has passed before it is asked."""
SETTLING: Final = 5.0
"""Seconds after which all who lost a server with us should be back: most clients of NATS try again every two."""


class Inbox:
    """Subscribed with the first request, since not every process asks, nor may."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()  # each time it is asked for costs a system call
        self._address = b""
        self._tokens = tokens()
        self._awaited: dict[bytes, tuple[str, Awaited]] = {}
        self._is_refused = False
        self._look: asyncio.TimerHandle | None = None
        self._settled = self._loop.time() + SETTLING
        client.hear = self._hear

    async def ask(self, subject: str, letter: Letter, seconds: float) -> Letter:
        """The reply, or an `Unanswered`."""
        if self._is_refused:
            raise BusAway
        try:
            address = self._own() + next(self._tokens)
            self._client.say(*published(subject.encode(), address, letter, self._client.max_payload))
        except Away:
            raise BusAway from None
        heard = self._client.heard
        reply: Awaited = self._loop.create_future()
        self._awaited[address] = subject, reply
        self._look_within(min(LOOK, seconds / 2))
        try:
            return await within(seconds, reply)
        except TooLate:
            if seconds >= SILENCE and self._client.heard == heard:
                raise BusAway from None
            raise
        finally:
            self._awaited.pop(address, None)

    def end(self, subject: str | None = None) -> None:
        """Nothing will be answered any more, or nothing on a subject (in small letters) where we may not publish."""
        for asked, reply in self._awaited.values():
            if subject is None or asked.lower() == subject:
                fail(reply, BusAway())

    def refuse(self, subject: str) -> None:
        """We may not subscribe to that (in small letters); if it is the inbox, whoever asks would wait in vain."""
        if self._address and self._address.decode().lower() + "*" == subject:
            self._is_refused = True
            self.end()

    def _look_within(self, seconds: float) -> None:
        """Whether the server is there; one look is for all who ask."""
        when = self._loop.time() + seconds
        if self._look is not None:
            if self._look.when() <= when:
                return
            self._look.cancel()
        self._look = self._loop.call_at(when, self._ping)

    def _ping(self) -> None:
        self._look = None
        self._client.ping()

    def _own(self) -> bytes:
        if not self._address:
            address = f"{self._client.new_inbox()}.".encode()
            self._client.say(b"SUB %b* %d\r\n" % (address, INBOX))
            self._address = address
        return self._address

    def _hear(self, subject: bytes, head: bytes | None, body: bytes) -> None:
        _, reply = self._awaited.get(subject, (None, None))
        if reply is None:
            return
        if head and head.startswith(NOBODY):
            fail(reply, NoResponders() if self._loop.time() >= self._settled else NotServedYet())
        else:
            give(reply, Letter(body, headers_of(head) if head else {}))


def tokens() -> Iterator[bytes]:
    """The last parts of the addresses for replies, from a stock: random numbers cost less in numbers."""
    while True:
        stock = token_hex(TOKEN * STOCK // 2).encode()
        for at in range(0, len(stock), TOKEN):
            yield stock[at : at + TOKEN]
