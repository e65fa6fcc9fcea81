"""The client library of NATS, with what it lacks: TLS that is insisted on, and a short way for requests and replies."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from nats.aio.client import Client as NatsClient

INBOX: Final = 0
"""The number of the subscription for replies; the library counts its own from 1."""
FULL: Final = 64 * 1024 * 1024
"""Bytes that may wait for a server that does not read."""

PING: Final = b"PING\r\n"


class Away(Exception):
    """The connection has gone, or there is none. What was said on it may have arrived or not."""


class Refused(Exception):
    """The server says no, and will go on saying it until somebody changes something. No secret is in the text."""


class Client(NatsClient):
    """By itself the library follows a server that does not ask for TLS into plain text, whatever it was told, and ends
    a connection on which others say what it cannot read."""

    wants_tls = False

    def __init__(self) -> None:
        super().__init__()
        self.hear: Callable[[bytes, bytes | None, bytes], None] = lambda subject, head, body: None
        """Takes what arrives in the inbox, at once."""
        self.heard = 0
        """How often the server has said something."""
        self._out: list[bytes] = []

    def say(self, *parts: bytes) -> None:
        """Send it together with all else that is said in this turn of the loop; `Away` when too much waits already.

        None of it is copied. What the library publishes may overtake it."""
        writer = getattr(self._transport, "_io_writer", None)
        if writer is None or not self.is_connected or writer.transport.get_write_buffer_size() > FULL:
            raise Away("it does not take what we say")
        if not self._out:
            asyncio.get_running_loop().call_soon(self._say_all)
        self._out += parts

    def ping(self) -> None:
        """Have the server say something, if it is there."""
        if self._transport and self.is_connected:
            self._pongs.append(asyncio.get_running_loop().create_future())
            with suppress(OSError, RuntimeError):
                self._transport.write(PING)

    def drop(self) -> None:
        """End the socket at once, whatever has not been sent."""
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            with suppress(Exception):  # it may have ended by itself
                writer.transport.abort()

    def _say_all(self) -> None:
        out, self._out = self._out, []
        if self._transport:
            with suppress(OSError, RuntimeError):  # the connection has ended meanwhile, which is told elsewhere
                self._transport.writelines(out)

    def _connect_command(self) -> bytes:
        if self.wants_tls and not self._server_info.get("tls_required"):
            raise Refused("the server does not ask for TLS")
        return super()._connect_command()

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        self.heard += 1
        if sid == INBOX:
            self.hear(subject, headers, data)
            return
        with suppress(UnicodeDecodeError):  # a reply subject that is no text: nobody can be answered there
            await super()._process_msg(sid, subject, reply, data, headers)

    async def _process_pong(self) -> None:
        self.heard += 1
        await super()._process_pong()

    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        return headers_of(headers) if headers else None


def headers_of(head: bytes) -> dict[str, str]:
    """The headers of a message, of what comes off the wire; what is none is left out."""
    lines = (line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n")[1:])
    return {name.strip(): value.strip() for name, sep, value in lines if sep}
