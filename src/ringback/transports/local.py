"""RPC over a Unix socket: one envelope a line, for programs of the same user on the same machine."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ringback.kit.errors import CannotStart, PeerUnavailable, Unavailable
from ringback.kit.rpc import Send, Serve

LONGEST: Final = 1 << 20
"""Bytes of a request."""
LONGEST_REPLY: Final = 64 << 20


class NoReply(Unavailable):
    """The server took the request and gave no reply: see what it did before you send it again."""

    reason = "NO_REPLY"


@asynccontextmanager
async def serving(path: Path, serve: Serve, drain: float = 0.0) -> AsyncIterator[None]:
    """Answer envelopes at `path` while inside; its file is for this user alone.

    At the end, requests in hand get `drain` seconds to be answered.
    """
    talks = Talks(serve)
    before = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        with short(path) as address:
            server = await asyncio.start_unix_server(talks.host, address, limit=LONGEST)
    except OSError as error:
        raise CannotStart(f"{path} cannot be used: {error.strerror}") from None
    finally:
        os.umask(before)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)
        await talks.end(drain)


class Talks:
    """The connections that are open, and the requests in hand."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._open: dict[asyncio.Task[None], asyncio.Event] = {}
        self._in_hand: set[asyncio.Task[bytes]] = set()

    async def host(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until its other end or we close it."""
        talk = asyncio.ensure_future(self._talk(reader, writer))
        closed = self._open[talk] = asyncio.Event()
        await asyncio.wait([talk])
        await _closed(writer)
        del self._open[talk]
        closed.set()

    async def end(self, drain: float) -> None:
        """Let what is in hand be answered, then close every connection."""
        if self._in_hand:
            await asyncio.wait(self._in_hand, timeout=drain)
        for talk, closed in list(self._open.items()):
            talk.cancel()
            await closed.wait()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            while line := await reader.readline():
                task = asyncio.ensure_future(self._serve(line))
                self._in_hand.add(task)
                task.add_done_callback(self._in_hand.discard)
                writer.write(await task + b"\n")
                await writer.drain()


async def ask(path: Path, envelope: bytes) -> bytes | None:
    """The reply to one envelope, or `None` when nobody serves there; `NoReply` when somebody did and said nothing."""
    try:
        with short(path) as address:
            reader, writer = await asyncio.open_unix_connection(address, limit=LONGEST_REPLY)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    try:
        writer.write(envelope.replace(b"\n", b" ") + b"\n")
        await writer.drain()
        answer = await reader.readline()
    except (ConnectionError, ValueError):
        answer = b""
    finally:
        writer.close()
    await _closed(writer)
    if not answer.endswith(b"\n"):
        raise NoReply
    return answer


def sockets(paths: Mapping[str, Path]) -> Send:
    """The way to peers on this machine, for those who ask: targets by name, and the socket of each."""

    async def send(target: str, envelope: bytes, seconds: float) -> bytes:
        path = paths.get(target)
        answer = await ask(path, envelope) if path else None
        if answer is None:
            raise PeerUnavailable(asked=False)
        return answer

    return send


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """A name of the path that fits a socket address (107 bytes), however deep its folder is."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
