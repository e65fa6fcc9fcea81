"""The way to a manager port: it proves who it is without saying the password, asks, hears, and comes back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from ringback.kit.secret import Secret
from ringback.sip import ami
from ringback.sip.ami import Address, Message
from ringback.sip.ami_link import Away, Link, Refused
from tests.patience import ENOUGH

GREETING = b"Asterisk Call Manager/11.0.0\r\n"
CHALLENGE = "131234567"
PASSWORD = Secret("Sample-Pass-0001")


@dataclass
class Port:
    """What a manager port does, so far as we need it: it lets in, keeps what it is told, and answers as it is told."""

    asked: "asyncio.Queue[Message]" = field(default_factory=asyncio.Queue)
    sent: bytes = b""
    writer: asyncio.StreamWriter | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    greeting: bytes = GREETING
    lets_in: bool = True
    answers: Callable[[Message], bytes | None] = lambda message: None

    async def serve(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.begun.set()
        writer.write(self.greeting)
        try:
            while raw := await stream.readuntil(ami.END):
                self.sent += raw
                message = ami.read(raw)
                writer.write(self.answer(message))
                self.asked.put_nowait(message)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def answer(self, message: Message) -> bytes:
        if message["Action"] == "Challenge":
            return reply("Success", Challenge=CHALLENGE)
        if message["Action"] == "Login":
            proven = message["Key"] == ami.key_of(CHALLENGE, PASSWORD) and self.lets_in
            return reply("Success" if proven else "Error", Message="" if proven else "Authentication failed")
        return self.answers(message) or b""


def reply(response: str, **fields: str) -> bytes:
    return b"Response: " + response.encode() + b"\r\n" + ami.action("", **fields).partition(b"\r\n")[2]


@dataclass
class Heard:
    events: "asyncio.Queue[Message]" = field(default_factory=asyncio.Queue)
    connections: "asyncio.Queue[None]" = field(default_factory=asyncio.Queue)


@asynccontextmanager
async def linked(port: Port, *, beat: float = 60, patience: float = 5) -> AsyncIterator[tuple[Link, Heard]]:
    heard = Heard()
    server = await asyncio.start_server(port.serve, "127.0.0.1", 0)
    at = server.sockets[0].getsockname()[1]
    link = Link(
        Address("127.0.0.1", at, "ringback", PASSWORD),
        heard.events.put_nowait,
        lambda: heard.connections.put_nowait(None),
        beat=beat,
        patience=patience,
    )
    task = asyncio.create_task(link.run())
    try:
        yield link, heard
    finally:
        task.cancel()
        await asyncio.wait({task})
        server.close()
        if port.writer:
            port.writer.close()


async def soon(awaitable: Awaitable[object]) -> object:
    async with asyncio.timeout(ENOUGH):
        return await awaitable


async def test_it_logs_in_without_saying_the_password_and_hands_on_each_event() -> None:
    port = Port()
    async with linked(port) as (link, heard):
        await soon(heard.connections.get())
        assert link.is_connected
        assert PASSWORD.reveal().encode() not in port.sent

        assert port.writer
        port.writer.write(b"Event: A\r\nResponse: 2d62dd64f3\r\n\r\nEvent: B\r\n\r\n")
        assert await soon(heard.events.get()) == {"Event": "A", "Response": "2d62dd64f3"}
        assert await soon(heard.events.get()) == {"Event": "B"}


async def test_answers_find_who_asked_in_whatever_order_they_come() -> None:
    waiting: list[Message] = []

    def answers(message: Message) -> bytes:
        waiting.append(message)
        if len(waiting) < 2:
            return b""
        return b"".join(reply("Success", ActionID=one["ActionID"], Message=one["Action"]) for one in reversed(waiting))

    async with linked(Port(answers=answers)) as (link, heard):
        await soon(heard.connections.get())
        one, two = await asyncio.gather(link.ask("One"), link.ask("Two"))

        assert (one["Message"], two["Message"]) == ("One", "Two")


async def test_a_no_and_a_silence_are_told_apart_and_a_value_of_two_lines_is_never_sent() -> None:
    def answers(message: Message) -> bytes | None:
        denied = message["Action"] == "Forbidden"
        return reply("Error", ActionID=message["ActionID"], Message="Permission denied") if denied else None

    port = Port(answers=answers)
    async with linked(port, patience=1.0) as (link, heard):
        await soon(heard.connections.get())
        with pytest.raises(Refused, match="Permission denied"):
            await link.ask("Forbidden")
        with pytest.raises(Away):
            await link.ask("Slow")
        with pytest.raises(ami.Unsayable):
            await link.ask("X", Object="a\r\nAction: Originate")
        assert b"Originate" not in port.sent


async def test_a_connection_that_ends_comes_back_and_who_waits_there_is_told() -> None:
    port = Port()
    async with linked(port) as (link, heard):
        await soon(heard.connections.get())
        asked = asyncio.create_task(link.ask("Slow"))
        while (await soon(port.asked.get()))["Action"] != "Slow":  # type: ignore[index]
            pass
        assert port.writer
        port.writer.close()

        with pytest.raises(Away):
            await asked
        await soon(heard.connections.get())
        assert link.is_connected


async def test_who_is_silent_is_asked_and_left_when_it_stays_so() -> None:
    port = Port()
    async with linked(port, beat=0.1) as (_, heard):
        await soon(heard.connections.get())
        while (await soon(port.asked.get()))["Action"] != "Ping":  # type: ignore[index]
            pass
        await soon(heard.connections.get())


@pytest.mark.parametrize("port", [Port(lets_in=False), Port(greeting=b"220 mail.example.com\r\n")])
async def test_who_does_not_let_us_in_is_never_taken_for_connected(port: Port) -> None:
    async with linked(port) as (link, heard):
        await soon(port.asked.get() if port.greeting == GREETING else port.begun.wait())
        with pytest.raises(Away):
            await link.ask("Ping")
        assert heard.connections.empty()


async def test_a_listener_that_fails_ends_no_connection() -> None:
    got: asyncio.Queue[str] = asyncio.Queue()

    def fails(message: Message) -> None:
        got.put_nowait(message["Event"])
        raise RuntimeError

    port = Port()
    connected = asyncio.Event()
    server = await asyncio.start_server(port.serve, "127.0.0.1", 0)
    address = Address("127.0.0.1", server.sockets[0].getsockname()[1], "ringback", PASSWORD)
    task = asyncio.create_task(Link(address, fails, connected.set).run())
    await soon(connected.wait())
    assert port.writer
    port.writer.write(b"Event: A\r\n\r\nEvent: B\r\n\r\n")

    assert [await soon(got.get()), await soon(got.get())] == ["A", "B"]
    task.cancel()
    await asyncio.wait({task})
    server.close()
    port.writer.close()
