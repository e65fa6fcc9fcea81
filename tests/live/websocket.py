"""SIP over a WebSocket (RFC 7118), as a browser speaks it: one message a frame."""

import base64
import os
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.patience import ENOUGH

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class WebSocket:
    """A connection whose handshake is done: `send` and `recv` are those of a socket, a message at a time."""

    def __init__(self, stream: ssl.SSLSocket, host: str) -> None:
        self._stream = stream
        self._name = f"{os.urandom(6).hex()}.invalid"
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /ws HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Protocol: sip",
            "Sec-WebSocket-Version: 13",
        ]
        stream.sendall("\r\n".join([*lines, "", ""]).encode())
        self._file = stream.makefile("rb")
        head = b"".join(iter(self._file.readline, b"\r\n")).decode()
        assert head.startswith("HTTP/1.1 101 "), head
        assert "sec-websocket-protocol: sip" in head.lower()

    def send(self, data: bytes) -> int:
        """One masked frame of text."""
        return self._frame(TEXT, data)

    def _frame(self, kind: int, data: bytes) -> int:
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        self._stream.sendall(bytes([0x80 | kind]) + size + mask + masked)
        return len(data)

    def recv(self, size: int) -> bytes:
        """The next message; pings are answered."""
        while True:
            kind, length = self._file.read(2)
            if length == 126:
                (length,) = struct.unpack(">H", self._file.read(2))
            data = self._file.read(length)
            if kind & 15 == PING:
                self._frame(PONG, data)
            elif data.strip():
                return data

    def close(self) -> None:
        """Say goodbye, as browsers do."""
        self._frame(CLOSE, struct.pack(">H", 1000))
        self._file.close()

    def getsockname(self) -> Any:
        """A name that leads nowhere: a browser does not know its own address."""
        return self._name, 5060


@contextmanager
def websocket(host: str, port: int, authority: str) -> Iterator[WebSocket]:
    """One to `wss://host:port/ws`, by a certificate that the file `authority` vouches for."""
    trusting = ssl.create_default_context(cafile=authority)
    with (
        socket.create_connection((host, port), timeout=ENOUGH) as plain,
        trusting.wrap_socket(plain, server_hostname=host) as stream,
    ):
        one = WebSocket(stream, host)
        try:
            yield one
        finally:
            one.close()
