"""SIP written by hand: a caller, an Asterisk or a stranger who sends what a test says, and hears what comes."""

import asyncio
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Self

from ringback.demo.ports import HOST
from tests.patience import ENOUGH

SDP = "v=0\r\no=- 1 {version} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer, as it came."""

    text: str

    @property
    def method(self) -> str:
        """Of a request; `SIP/2.0` for an answer."""
        return self.text.split(maxsplit=1)[0]

    @property
    def status(self) -> int:
        """Of an answer; 0 for a request."""
        return int(self.text.split()[1]) if self.method == "SIP/2.0" else 0

    def all(self, name: str) -> list[str]:
        """The values of a header, from top to bottom."""
        return re.findall(rf"^{name}: *(.*)\r$", self.text.partition("\r\n\r\n")[0] + "\r", re.MULTILINE | re.I)

    def tag(self, name: str) -> str:
        """The tag in From or To."""
        found = re.search(r";tag=([^;\s]+)", self.all(name)[0])
        return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Party:
    """A socket at an address of its own. Use `Party.udp`, `Party.tcp`, and `close()` or `with`.

    What is sent again, word by word, is heard once: on a slow machine an answer or an ACK may be late, and the other
    side repeats itself (RFC 3261 17)."""

    socket: socket.socket
    waiting: bytearray = field(default_factory=bytearray)
    known: set[Message] = field(default_factory=set)

    @classmethod
    def udp(cls, host: str = HOST) -> Self:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind((host, 0))
        one.setblocking(False)
        return cls(one)

    @classmethod
    async def tcp(cls, host: str, server: str) -> Self:
        """Connected to `server` (`host:port`)."""
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        one.bind((host, 0))
        one.setblocking(False)
        there, port = server.split(":")
        await asyncio.get_running_loop().sock_connect(one, (there, int(port)))
        return cls(one)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    @property
    def at(self) -> str:
        """Its `host:port`."""
        return "{}:{}".format(*self.socket.getsockname())

    @property
    def protocol(self) -> str:
        return "TCP" if self.socket.type == socket.SOCK_STREAM else "UDP"

    @property
    def uri(self) -> str:
        """What it writes into Contact."""
        return f"sip:party@{self.at}" + (";transport=tcp" if self.protocol == "TCP" else "")

    async def send(self, text: str, server: str) -> None:
        host, port = server.split(":")
        loop = asyncio.get_running_loop()
        if self.protocol == "TCP":
            await loop.sock_sendall(self.socket, text.encode())
        else:
            await loop.sock_sendto(self.socket, text.encode(), (host, int(port)))

    async def hear(self) -> Message:
        """The next message but for `100 Trying`. TimeoutError when none comes."""
        async with asyncio.timeout(ENOUGH):
            while not self._is_news(message := await self._next()):
                pass
        return message

    def _is_news(self, message: Message) -> bool:
        again = message in self.known
        self.known.add(message)
        return message.status != 100 and not again

    async def _next(self) -> Message:
        while not self.waiting or (self.protocol == "TCP" and not _whole(self.waiting)):
            self.waiting.extend(await asyncio.get_running_loop().sock_recv(self.socket, 65535))
        length = _whole(self.waiting) if self.protocol == "TCP" else len(self.waiting)
        message = Message(self.waiting[:length].decode())
        del self.waiting[:length]
        return message

    def heard(self) -> list[str]:
        """The methods of what has come so far and was not listened to, but for `100 Trying`."""
        found: list[str] = []
        while True:
            try:
                message = Message(self.socket.recv(65535).decode())
            except BlockingIOError:
                return found
            if self._is_news(message):
                found.append(message.method)

    async def answer(
        self, request: Message, status: int, server: str, *, tag: str = "", body: str = "", headers: Sequence[str] = ()
    ) -> None:
        """An answer with what the request says of its way, and further headers."""
        to = request.all("To")[0]
        lines = [
            f"SIP/2.0 {status} Said So",
            *(f"{name}: {value}" for name in ("Via", "Record-Route", "From") for value in request.all(name)),
            f"To: {to}" if ";tag=" in to else f"To: {to};tag={tag}",
            *(f"{name}: {value}" for name in ("Call-ID", "CSeq") for value in request.all(name)),
            f"Contact: <{self.uri}>",
            *headers,
            *end(body),
        ]
        await self.send("\r\n".join(lines), server)


def end(body: str) -> list[str]:
    """The last lines of a message."""
    return [*(["Content-Type: application/sdp"] if body else []), f"Content-Length: {len(body)}", "", body]


def _whole(data: bytes | bytearray) -> int:
    """How long the first message in the stream is; 0 if it is not all there."""
    head, gap, _ = bytes(data).partition(b"\r\n\r\n")
    length = re.search(rb"^Content-Length: *(\d+)", head, re.MULTILINE | re.I)
    if not gap or not length:
        return 0
    size = len(head) + 4 + int(length[1])
    return size if len(data) >= size else 0


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a call: what its requests carry. `here` and `there` are From and To with their tags."""

    call_id: str
    here: str
    there: str
    target: str
    routes: Sequence[str] = ()

    def request(
        self, party: Party, method: str, number: int, *, target: str = "", routes: Sequence[str] | None = None,
        body: str = "", branch: str = "", call_id: str = "",
    ) -> str:  # fmt: skip
        """The text of a request by `party`; what is named differs from what this leg would say."""
        lines = [
            f"{method} {target or self.target} SIP/2.0",
            f"Via: SIP/2.0/{party.protocol} {party.at};branch=z9hG4bK{branch or token_hex(8)};rport",
            *(f"Route: {route}" for route in (self.routes if routes is None else routes)),
            f"From: {self.here}",
            f"To: {self.there}",
            f"Call-ID: {call_id or self.call_id}",
            f"CSeq: {number} {method}",
            f"Contact: <{party.uri}>",
            "Max-Forwards: 70",
            *end(body),
        ]
        return "\r\n".join(lines)


def caller_leg(answer: Message) -> Leg:
    """The caller's side of a call that was answered so."""
    return Leg(
        answer.all("Call-ID")[0],
        answer.all("From")[0],
        answer.all("To")[0],
        uri_of(answer.all("Contact")[0]),
        routes_of(answer)[::-1],
    )


def callee_leg(invite: Message, tag: str) -> Leg:
    """The other side: what who answers that INVITE says within the call."""
    return Leg(
        invite.all("Call-ID")[0],
        f"{invite.all('To')[0]};tag={tag}",
        invite.all("From")[0],
        uri_of(invite.all("Contact")[0]),
        routes_of(invite),
    )


def uri_of(value: str) -> str:
    """What stands between the angle brackets."""
    return value.partition("<")[2].partition(">")[0]


def routes_of(message: Message) -> list[str]:
    """Record-Route, one value an item."""
    return [value.strip() for line in message.all("Record-Route") for value in line.split(",")]


def invite(address: str, realm: str) -> Leg:
    """What a call to that address begins with, in that trunk's name."""
    return Leg(token_hex(8), f"<sip:party@{realm}>;tag={token_hex(4)}", f"<{address}>", address)
