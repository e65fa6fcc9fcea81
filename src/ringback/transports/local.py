"""RPC over a Unix socket: one envelope a line, for programs of the same user on the same machine."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

Serve = Callable[[bytes], Awaitable[bytes]]

LONGEST: Final = 1 << 20
"""Bytes of one envelope."""


@asynccontextmanager
async def serving(path: Path, serve: Serve, drain: float = 0.0) -> AsyncIterator[None]:
    """Answer envelopes at `path` while inside; its file is for this user alone.

    At the end, requests in hand get `drain` seconds to be answered.
    """
    busy: set[asyncio.Task[bytes]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            while line := await reader.readline():
                task = asyncio.ensure_future(serve(line))
                busy.add(task)
                task.add_done_callback(busy.discard)
                writer.write(await task + b"\n")
                await writer.drain()
        writer.close()

    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        with short(path) as address:
            server = await asyncio.start_unix_server(talk, address, limit=LONGEST)
    finally:
        os.umask(before)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)
        if busy:
            await asyncio.wait(busy, timeout=drain)


async def ask(path: Path, envelope: bytes) -> bytes | None:
    """The reply to one envelope, or `None` when nobody serves there."""
    try:
        with short(path) as address:
            reader, writer = await asyncio.open_unix_connection(address, limit=LONGEST)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    writer.write(envelope.replace(b"\n", b" ") + b"\n")
    await writer.drain()
    answer = await reader.readline()
    writer.close()
    return answer.rstrip(b"\n") or None


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """A name of the path that fits a socket address (107 bytes), however deep its folder is."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
