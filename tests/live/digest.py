"""A REGISTER by hand, with the digest algorithm of the test's choice (RFC 3261, RFC 8760)."""

import asyncio
import hashlib
import re
import socket
from secrets import token_hex

from .conftest import Extension

NAMES = {"MD5": "md5", "SHA-256": "sha256"}


async def register(server: str, extension: Extension, algorithm: str) -> tuple[int, list[str]]:
    """The final status, and the algorithms that the server offered, in its order; 0 = not the one asked for."""
    return await asyncio.to_thread(_register, server, extension, algorithm)


def _register(server: str, extension: Extension, algorithm: str) -> tuple[int, list[str]]:
    host, port = server.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(5)
        udp.connect((host, int(port)))
        call_id = token_hex(8)
        udp.send(_request(udp, extension, call_id, 1))
        challenges = re.findall(r"^WWW-Authenticate: *Digest (.*)\r$", udp.recv(65535).decode(), re.MULTILINE | re.I)
        offered = [_field(challenge, "algorithm") or "MD5" for challenge in challenges]
        if algorithm not in offered:
            return 0, offered
        proof = _proof(challenges[offered.index(algorithm)], extension, algorithm)
        udp.send(_request(udp, extension, call_id, 2, proof))
        return int(udp.recv(65535).split()[1]), offered


def _request(udp: socket.socket, extension: Extension, call_id: str, number: int, proof: str = "") -> bytes:
    host, port = udp.getsockname()
    who = f"<sip:{extension['extension']}@{extension['realm']}>"
    lines = [
        f"REGISTER sip:{extension['realm']} SIP/2.0",
        f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{token_hex(8)};rport",
        f"From: {who};tag={call_id}",
        f"To: {who}",
        f"Call-ID: {call_id}",
        f"CSeq: {number} REGISTER",
        f"Contact: <sip:{extension['extension']}@{host}:{port}>",
        "Max-Forwards: 70",
        "Expires: 60",
        *([f"Authorization: Digest {proof}"] if proof else []),
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def _proof(challenge: str, extension: Extension, algorithm: str) -> str:
    def digest(text: str) -> str:
        return hashlib.new(NAMES[algorithm], text.encode()).hexdigest()

    realm, nonce, opaque = (_field(challenge, name) for name in ("realm", "nonce", "opaque"))
    uri = f"sip:{extension['realm']}"
    ha1 = digest(f"{extension['username']}:{realm}:{extension['password']}")
    ha2 = digest(f"REGISTER:{uri}")
    response = digest(f"{ha1}:{nonce}:00000001:0a4f113b:auth:{ha2}")
    return (
        f'username="{extension["username"]}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}",'
        f' algorithm={algorithm}, cnonce="0a4f113b", qop=auth, nc=00000001, opaque="{opaque}"'
    )


def _field(challenge: str, name: str) -> str:
    found = re.search(rf'\b{name}="?([^",]+)', challenge)
    return found[1].strip() if found else ""
