"""The way to one Asterisk's manager port: whatever ends it, it comes back."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import structlog

from ringback.kit.pauses import Pauses
from ringback.sip import ami
from ringback.sip.ami import Address, Message

PATIENCE: Final = 5.0
"""Seconds that a connection, a login and an action may take."""
BEAT: Final = 10.0
"""Seconds of silence after which we ask whether it is still there."""

log = structlog.get_logger()


class Away(Exception):
    """An Asterisk cannot be asked now; the text says why."""


class Refused(Exception):
    """An Asterisk says no; the text is its own."""


class Link:
    """One connection, kept for ever: events are handed on as they come, actions are answered."""

    def __init__(
        self,
        address: Address,
        heard: Callable[[Message], None],
        connected: Callable[[], None],
        *,
        beat: float = BEAT,
        patience: float = PATIENCE,
    ) -> None:
        """`heard` gets each event; `connected` is called whenever events begin to come (some were missed before)."""
        self.address = address
        self._heard = heard
        self._connected = connected
        self._beat = beat
        self._patience = patience
        self._writer: asyncio.StreamWriter | None = None
        self._asked: dict[str, asyncio.Future[Message]] = {}
        self._ids = itertools.count(1)
        self._said = ""

    @property
    def is_connected(self) -> bool:
        return self._writer is not None

    async def run(self) -> None:
        """Until cancelled."""
        pauses = Pauses()
        while True:
            try:
                await self.session()
            except (Away, Refused) as error:
                self._say(str(error))
            except Exception as error:  # whatever it is, to hear nothing for ever is worse
                log.error("the way to an Asterisk failed", action="ami", asterisk=str(self.address), exc_info=error)
            await pauses.wait()

    async def ask(self, name: str, **fields: str) -> Message:
        """What Asterisk answers to an action. `Refused` where it says no, `Away` where it does not answer in time."""
        writer, id = self._writer, str(next(self._ids))
        raw = ami.action(name, ActionID=id, **fields)
        if writer is None:
            raise Away("it is not connected")
        answer = self._asked[id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._patience):
                writer.write(raw)
                await writer.drain()
                return _granted(await answer)
        except (OSError, TimeoutError) as error:
            raise Away(_why(error)) from None
        finally:
            del self._asked[id]

    async def session(self) -> None:
        """One connection from its beginning to its end, which is `Away` or `Refused`."""
        stream, writer = await self._open()
        try:
            reader = ami.Reader(stream)
            async with asyncio.timeout(self._patience):
                await reader.greeting()
                await self._log_in(reader, writer)
            self._writer, self._said = writer, ""
            self._connected()
            await self._listen(reader, writer)
        except (EOFError, OSError, TimeoutError, ValueError) as error:
            raise Away(_why(error)) from None
        finally:
            self._writer = None
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(Away("the connection is lost"))
            writer.transport.abort()  # what is still to be sent is for nobody
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.open_connection(self.address.host, self.address.port, limit=ami.LONGEST)
        except (OSError, TimeoutError) as error:
            raise Away(_why(error)) from None

    async def _log_in(self, reader: ami.Reader, writer: asyncio.StreamWriter) -> None:
        async def said(name: str, **fields: str) -> Message:
            writer.write(ami.action(name, **fields))
            while "Event" in (message := await reader.next()):
                pass
            return _granted(message)

        challenge = await said("Challenge", AuthType="MD5")
        key = ami.key_of(challenge.get("Challenge", ""), self.address.password)
        await said("Login", AuthType="MD5", Username=self.address.user, Key=key)

    async def _listen(self, reader: ami.Reader, writer: asyncio.StreamWriter) -> None:
        is_asked = False
        while True:
            try:
                async with asyncio.timeout(self._beat):
                    message = await reader.next()
            except TimeoutError:
                if is_asked:
                    raise
                is_asked = True
                writer.write(ami.action("Ping"))
                continue
            is_asked = False
            self._take(message)

    def _take(self, message: Message) -> None:
        if "Event" in message:
            try:
                self._heard(message)
            except Exception as error:  # one that is not understood ends no connection
                log.error("an event of Asterisk is not understood", action="ami", exc_info=error)
        elif "Response" in message:
            answer = self._asked.get(message.get("ActionID", ""))
            if answer and not answer.done():
                answer.set_result(message)

    def _say(self, why: str) -> None:
        """Once for each reason, not for each try."""
        if why != self._said:
            log.warning("an Asterisk cannot be heard", action="ami", asterisk=str(self.address), error=why)
        self._said = why


@contextlib.asynccontextmanager
async def visiting(address: Address, heard: Callable[[Message], None] = lambda message: None) -> AsyncIterator[Link]:
    """A connection that is there while inside, and does not come back. `Away` or `Refused` where there is none."""
    connected = asyncio.Event()
    link = Link(address, heard, connected.set)
    session, ready = asyncio.ensure_future(link.session()), asyncio.ensure_future(connected.wait())
    waiting: list[asyncio.Future[Any]] = [session, ready]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if session.done():
            session.result()
        yield link
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _granted(response: Message) -> Message:
    if response.get("Response", "Error") == "Error":
        raise Refused(response.get("Message", "it says no"))
    return response


def _why(error: Any) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, EOFError):
        return "it has ended the connection"
    return str(getattr(error, "strerror", None) or error)
