"""A REGISTER by hand, with the digest algorithm of the test's choice (RFC 3261, RFC 8760)."""

import asyncio
import hashlib
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Protocol

from ringback.demo.ports import HOST
from tests.patience import ENOUGH

NAMES = {"MD5": "md5", "SHA-256": "sha256"}
CONTACTS = {"TCP": "tcp", "TLS": "tls", "WSS": "ws"}
"""What a contact says of its transport (RFC 7118 for WebSockets)."""


class Line(Protocol):
    """A connected socket, or what does as one: a message at a time."""

    def send(self, data: bytes, /) -> int:
        """A whole message goes out."""

    def recv(self, size: int, /) -> bytes:
        """The next one that has come in."""

    def getsockname(self) -> Any:
        """Our address and port."""


async def register(
    server: str, extension: Mapping[str, Any], algorithm: str = "MD5", **more: str
) -> tuple[int, list[str]]:
    """The final status, and the algorithms that the server offered, in its order: none, if it did not challenge.

    Status 0: the algorithm asked for was not offered. `more` are further fields of Register."""
    return await asyncio.to_thread(Register(server, extension, algorithm, **more).run)


@dataclass(frozen=True, slots=True)
class Register:
    """One REGISTER, from the address `source`, for so many seconds; `to` is a domain other than the extension's.

    `agent` is what the phone calls itself."""

    server: str
    extension: Mapping[str, Any]
    algorithm: str = "MD5"
    source: str = HOST
    expires: str = "60"
    to: str = ""
    agent: str = "by hand"
    transport: str = "UDP"

    def run(self, patience: float = ENOUGH) -> tuple[int, list[str]]:
        """Send it, and once more with the proof if it is challenged; TimeoutError for no answer in so many seconds."""
        host, port = self.server.split(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(patience)
            udp.bind((self.source, 0))
            udp.connect((host, int(port)))
            return self.over(udp)

    def over(self, line: Line) -> tuple[int, list[str]]:
        """The same over a connection that is there already."""
        call_id = token_hex(8)
        line.send(self.request(line, call_id, 1))
        first = line.recv(65535).decode()
        challenges = re.findall(r"^WWW-Authenticate: *Digest (.*)\r$", first, re.MULTILINE | re.I)
        offered = [_field(challenge, "algorithm") or "MD5" for challenge in challenges]
        if not offered:
            return int(first.split()[1]), []
        if self.algorithm not in offered:
            return 0, offered
        proof = self.proof(challenges[offered.index(self.algorithm)])
        line.send(self.request(line, call_id, 2, proof))
        return int(line.recv(65535).split()[1]), offered

    def request(self, line: Line, call_id: str, number: int, proof: str = "") -> bytes:
        """The message, as it goes out of that socket."""
        host, port = line.getsockname()
        user, realm = self.extension["extension"], self.extension["realm"]
        way = "" if self.transport == "UDP" else f";transport={CONTACTS[self.transport]}"
        lines = [
            f"REGISTER sip:{realm} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} {host}:{port};branch=z9hG4bK{token_hex(8)};rport",
            f"From: <sip:{user}@{realm}>;tag={call_id}",
            f"To: <sip:{user}@{self.to or realm}>",
            f"Call-ID: {call_id}",
            f"CSeq: {number} REGISTER",
            f"Contact: <sip:{user}@{host}:{port}{way}>",
            f"User-Agent: {self.agent}",
            "Max-Forwards: 70",
            f"Expires: {self.expires}",
            *([f"Authorization: Digest {proof}"] if proof else []),
            "Content-Length: 0",
        ]
        return "\r\n".join([*lines, "", ""]).encode()

    def proof(self, challenge: str) -> str:
        """What answers a challenge."""

        def digest(text: str) -> str:
            return hashlib.new(NAMES[self.algorithm], text.encode()).hexdigest()

        username, password = self.extension["username"], self.extension["password"]
        realm, nonce, opaque = (_field(challenge, name) for name in ("realm", "nonce", "opaque"))
        uri = f"sip:{self.extension['realm']}"
        ha1 = digest(f"{username}:{realm}:{password}")
        response = digest(f"{ha1}:{nonce}:00000001:0a4f113b:auth:{digest(f'REGISTER:{uri}')}")
        return (
            f'username="{username}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}",'
            f' algorithm={self.algorithm}, cnonce="0a4f113b", qop=auth, nc=00000001, opaque="{opaque}"'
        )


def _field(challenge: str, name: str) -> str:
    found = re.search(rf'\b{name}="?([^",]+)', challenge)
    return found[1].strip() if found else ""


def invited(line: Line) -> str:
    """The next INVITE that comes in on that line, answered with 486."""
    while not (text := line.recv(65535).decode()).startswith("INVITE "):
        pass
    kept = [field for field in text.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", field)]
    answer = [field + ";tag=busy" if field.startswith("To:") else field for field in kept]
    line.send("\r\n".join(["SIP/2.0 486 Busy Here", *answer, "Content-Length: 0", "", ""]).encode())
    return text
