"""One connection to a NATS server, from its handshake to its end."""

import asyncio
import re
import ssl
from collections import Counter
from contextlib import suppress
from typing import Any, Final, Self

import structlog
from nats.errors import Error as NatsError
from nats.errors import FlushTimeoutError, MaxPayloadError, UnexpectedEOF

from ringback.kit.bus import Letter
from ringback.kit.cancelling import cancellable
from ringback.transports.nats.address import Address, Server
from ringback.transports.nats.client import Away, Client, Refused
from ringback.transports.nats.inbox import Inbox
from ringback.transports.nats.letters import published

HANDSHAKE: Final = 5.0
"""Seconds that a server may take to let us in."""
SILENCE: Final = 3.0
"""Seconds that a server may take to say that it has what we gave it."""
GOODBYE: Final = 2.0
"""Seconds for taking leave."""
LAST_WORDS: Final = 0.2
"""The same where nobody was let in: TLS says then why not."""
PING_EVERY: Final = 5
"""Seconds between two looks whether a server that we say nothing to is there; the third in vain ends it."""
NO: Final = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"')
INBOXES: Final = "_inbox."

log = structlog.get_logger()


class Connection:
    """`lost` is done when it has ended, and says why; it does not come back."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.client = Client()
        self.inbox = Inbox(self.client)
        self._refusals: Counter[str] = Counter()
        self._round: asyncio.Task[str] | None = None
        self._said = ""
        self._told: set[tuple[str, str]] = set()

    @classmethod
    async def open(cls, address: Address, server: Server, context: ssl.SSLContext | None, name: str) -> Self:
        """`Away` when the server is not there for now, `Refused` when it does not let us in."""
        self = cls()
        try:
            async with asyncio.timeout(HANDSHAKE):
                with cancellable():  # the library waits by `asyncio.wait_for`
                    await self._connect(address, server, context, name)
        except BaseException as error:
            await self.close(LAST_WORDS)
            raise self._of_handshake(error, address) from None
        if not self.client.is_connected:
            await self.close()
            raise Away("it hung up")
        return self

    async def publish(self, subject: str, body: bytes) -> None:
        """Return once the server has it. What is given at the same time goes out together, in the order of the calls.

        `Away` when it is not known whether the server has it, `Refused` when it does not take it."""
        before = self._refusals[subject]
        try:
            await self.client.publish(subject, body)
        except MaxPayloadError:
            raise Refused(f"{len(body)} bytes are too many for it") from None
        except (NatsError, OSError) as error:
            raise Away(str(error)) from None
        if why := await self._confirmed():
            raise Away(why)
        if self._refusals[subject] > before:
            raise Refused(f"we may not publish to {subject}")

    @property
    def largest(self) -> int:
        """Bytes that the server takes at once, headers included."""
        return self.client.max_payload

    def reply(self, address: str, letter: Letter) -> None:
        """Answer there, with the next that is sent; `TooLarge` where the server does not take so much."""
        if address:
            with suppress(Away):  # then nobody awaits it any more
                self.client.say(*published(address.encode(), b"", letter, self.largest))

    async def close(self, patience: float = GOODBYE) -> None:
        """Say goodbye when all that was said has arrived, or go without it after so many seconds."""
        try:
            async with asyncio.timeout(patience):
                if self.client.is_connected and not self.lost.done():
                    await self._confirmed()
                await self.client.close()
        except (NatsError, OSError, TimeoutError, AssertionError):
            pass
        self.client.drop()
        self.end("closed")

    def end(self, why: str) -> None:
        """It is lost, for that reason."""
        if not self.lost.done():
            self.lost.set_result(why)
            self.inbox.end()

    async def _connect(self, address: Address, server: Server, context: ssl.SSLContext | None, name: str) -> None:
        """A publish of this client returns when it is on its way in front of the next ping, since no byte may wait
        (`pending_size`): the library's pings overtake what waits. It fails when there is no connection."""
        self.client.wants_tls = context is not None
        await self.client.connect(
            f"nats://{server}",
            name=name,
            inbox_prefix=f"_INBOX.{name}",
            user=address.user or None,
            password=address.password.reveal() if address.user else None,
            user_credentials=address.credentials,
            tls=context,
            tls_hostname=server.host if context else None,
            error_cb=self._on_error,
            closed_cb=self._on_closed,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=int(HANDSHAKE),
            ping_interval=PING_EVERY,
            pending_size=1,
            flush_timeout=SILENCE,
        )

    async def _confirmed(self) -> str:
        """Wait until the server has all that was published before; empty, or why that is not known."""
        if self._round is None:
            self._round = asyncio.create_task(self._ask())
        return await asyncio.shield(self._round)

    async def _ask(self) -> str:
        self._round = None  # whoever publishes from here on needs another answer
        answer: asyncio.Future[float] = asyncio.ensure_future(self.client.rtt(int(SILENCE)))
        waiting: list[asyncio.Future[Any]] = [answer, self.lost]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            await asyncio.wait({answer})
        if answer.cancelled():
            return self.lost.result()
        if error := answer.exception():
            self.end("it does not answer" if isinstance(error, TimeoutError) else text_of(error))
            return self.lost.result()
        return ""

    async def _on_error(self, error: Exception) -> None:
        self._said = text_of(error)
        if found := NO.search(self._said):
            self._refuse(found[1], found[2])
        elif isinstance(error, FlushTimeoutError):
            self.end("it does not answer")
        elif isinstance(error, OSError | UnexpectedEOF):  # all else is about one message, which somebody else has made
            self.end(self._said)

    async def _on_closed(self) -> None:
        last = self.client.last_error
        self.end(text_of(last) if last else "it hung up")

    def _refuse(self, what: str, subject: str) -> None:
        """We lack the right to publish to a subject, or to subscribe to it; its name comes in small letters."""
        if what == "publish":
            self._refusals[subject] += 1
            self.inbox.end(subject)
        else:
            self.inbox.refuse(subject)
        lacking = what, "_INBOX" if subject.startswith(INBOXES) else subject
        if lacking not in self._told:
            self._told.add(lacking)
            log.error("we lack a permission at NATS", action="nats", permission=what, subject=lacking[1])

    def _of_handshake(self, error: BaseException, address: Address) -> BaseException:
        """Why there is no connection."""
        words = f"{error} {self._said}".lower()
        if isinstance(error, asyncio.CancelledError | Refused):
            return error
        if isinstance(error, ssl.SSLCertVerificationError):
            return Refused(f"the server's certificate is not trusted: {error.verify_message}")
        if "alert" in words and "certificate" in words:
            return Refused("the server does not take our certificate, or wants one")
        if "authorization violation" in words or "authentication" in words:
            return Refused("the server does not know the user, or the password or the credentials are others")
        if isinstance(error, TimeoutError):
            return Away("it does not answer")
        if isinstance(error, NatsError | OSError):
            return Away(self._said or text_of(error))
        if address.credentials:
            return Refused("the credentials cannot be used: the file holds no JWT and seed of a NATS user")
        return error


def text_of(error: BaseException) -> str:
    """A reason in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).removeprefix("nats: ") or type(error).__name__
