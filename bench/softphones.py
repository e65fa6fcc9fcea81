"""A child that is many phones, and strangers who call them, at one UDP port: each thing at its rate."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

import msgspec

from bench.child import Ask, serve
from bench.load import offered
from ringback.demo.ports import HOST
from tests.live.digest import Register
from tests.live.party import SDP, Leg, Message, caller_leg, end, invite, uri_of

PATIENCE: Final = 5.0
"""Seconds until an answer counts as lost; nothing is sent again."""
BUFFER: Final = 1 << 22
DOMAIN: Final = "sip.localhost"
REFRESHES: Final = "300"
"""Seconds that a phone asks for."""


@dataclass(slots=True)
class Phones(asyncio.DatagramProtocol):
    """The port: whoever asks waits for the answer; a call that comes in is answered at once."""

    at: str = ""
    protocol: str = "UDP"
    line: Any = None
    _waiting: dict[tuple[str, str], asyncio.Future[Message]] = field(default_factory=dict)

    def connection_made(self, transport: Any) -> None:
        self.line = transport
        one: socket.socket = transport.get_extra_info("socket")
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self.at = "{}:{}".format(*one.getsockname())

    @property
    def uri(self) -> str:
        """What stands in Contact."""
        return f"sip:party@{self.at}"

    def datagram_received(self, data: bytes, source: Any) -> None:
        message = Message(data.decode())
        if message.method == "SIP/2.0":
            if message.status >= 200 and (waiting := self._waiting.pop(_which(message), None)) and not waiting.done():
                waiting.set_result(message)
        elif message.method != "ACK":
            self.line.sendto(self._taken(message).encode(), source)

    async def ask(self, text: str, at: str) -> Message:
        """The final answer. Raises TimeoutError."""
        which = _which(Message(text))
        answer: asyncio.Future[Message]
        answer = self._waiting[which] = asyncio.get_running_loop().create_future()
        self.send(text, at)
        try:
            async with asyncio.timeout(PATIENCE):
                return await answer
        finally:
            self._waiting.pop(which, None)

    def send(self, text: str, at: str) -> None:
        host, _, port = at.rpartition(":")
        self.line.sendto(text.encode(), (host, int(port)))

    def _taken(self, request: Message) -> str:
        """200 to whatever it is."""
        to = request.all("To")[0]
        body = SDP.format(version=1, host=HOST) if request.method == "INVITE" else ""
        ways = (f"{name}: {value}" for name in ("Via", "Record-Route", "From") for value in request.all(name))
        same = (f"{name}: {request.all(name)[0]}" for name in ("Call-ID", "CSeq"))
        tagged = to if ";tag=" in to else f"{to};tag=taken"
        return "\r\n".join(["SIP/2.0 200 OK", *ways, f"To: {tagged}", *same, f"Contact: <{self.uri}>", *end(body)])

    async def register(self, phone: dict[str, Any], at: str, seconds: str) -> str:
        """As a phone does it: asked for its proof, and again with that; the final status."""
        one = Register(at, phone, expires=seconds)
        sequence = phone["sequence"] = phone.get("sequence", 0) + 2
        call_id = f"{phone['extension']}-{self.at.replace(':', '-')}"
        first = await self.ask(one.request(self.line.get_extra_info("socket"), call_id, sequence).decode(), at)
        if first.status != 401:
            return str(first.status)
        proof = one.proof(next(value for value in first.all("WWW-Authenticate") if "SHA" not in value))
        return str(
            (
                await self.ask(
                    one.request(self.line.get_extra_info("socket"), call_id, sequence + 1, proof).decode(), at
                )
            ).status
        )

    async def call(self, hash: str, at: str) -> str:
        """A stranger calls a direct address, and hangs up when it is answered; the final status."""
        leg = invite(f"sip:direct.{hash}@{DOMAIN}", "example.com")
        branch, body = token_hex(8), SDP.format(version=1, host=HOST)
        answer = await self.ask(self._text(leg, "INVITE", 1, branch=branch, body=body), at)
        if answer.status != 200:
            refused = replace(leg, there=answer.all("To")[0])
            self.send(self._text(refused, "ACK", 1, branch=branch), at)
            return str(answer.status)
        held = caller_leg(answer)
        near = uri_of(held.routes[0]).partition(";")[0].removeprefix("sip:") if held.routes else at
        self.send(self._text(held, "ACK", 1), near)
        ended = await self.ask(self._text(held, "BYE", 2), near)
        return str(ended.status)

    def _text(self, leg: Leg, method: str, number: int, **more: str) -> str:
        return leg.request(self, method, number, **more)  # type: ignore[arg-type]


def _which(message: Message) -> tuple[str, str]:
    return message.all("Call-ID")[0], message.all("CSeq")[0]


@asynccontextmanager
async def phones(settings: dict[str, Any]) -> AsyncIterator[Ask]:
    """`phones` is a file of extensions as they were made, one a line. A line is a list of what goes on at once:
    `what` (`refresh`, `change`: comes and goes by turns, `call`), `at` (`host:port`), `of` (first and last phone),
    `rate`, `seconds`."""
    known = [msgspec.json.decode(line) for line in Path(settings["phones"]).read_bytes().splitlines()]
    loop = asyncio.get_running_loop()
    transport, port = await loop.create_datagram_endpoint(Phones, local_addr=(HOST, 0))

    async def going_on(asked: dict[str, Any]) -> Any:
        first, last = asked["of"]
        among = known[first:last]

        async def one(number: int) -> str:
            phone = among[number % len(among)]
            leaves = asked["what"] == "change" and (number // len(among)) % 2
            try:
                if asked["what"] == "call":
                    return await port.call(phone["direct_hash"], asked["at"])
                return await port.register(phone, asked["at"], "0" if leaves else REFRESHES)
            except TimeoutError:
                return "lost"

        return (await offered(one, asked["rate"], asked["seconds"])).document()

    async def answer(asked: dict[str, Any]) -> Any:
        return await asyncio.gather(*map(going_on, asked["going_on"]))

    yield answer
    transport.close()


if __name__ == "__main__":
    serve(phones)
