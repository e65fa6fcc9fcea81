"""HTTP as it goes over the wire and no more: what asks here costs as little as what answers at the floors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self
from urllib.parse import urlsplit

END: Final = b"\r\n\r\n"
LENGTH: Final = b"content-length:"


def get(url: str, path: str, key: str = "") -> bytes:
    """A request as it is sent."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}"]
    lines += [f"Authorization: Bearer {key}"] if key else []
    return "\r\n".join([*lines, "", ""]).encode()


class Connection(asyncio.Protocol):
    """One that is kept; a request goes out when the one before has its answer."""

    def __init__(self) -> None:
        self._came = bytearray()
        self._asked: asyncio.Future[bytes] | None = None

    @classmethod
    async def to(cls, url: str) -> Self:
        """One that is open."""
        host, _, port = urlsplit(url).netloc.rpartition(":")
        _, self = await asyncio.get_running_loop().create_connection(cls, host, int(port))
        return self

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._came += data
        end = self._came.find(END)
        if end >= 0 and self._asked and len(self._came) >= end + len(END) + _size(bytes(self._came[:end])):
            self._asked.set_result(bytes(self._came))
            self._asked = None
            self._came.clear()

    def connection_lost(self, failure: Exception | None) -> None:
        if self._asked:
            self._asked.set_exception(failure or EOFError())

    async def ask(self, request: bytes) -> bytes:
        """The whole answer, which has a `Content-Length`."""
        self._asked = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._asked

    def close(self) -> None:
        self.transport.close()


@asynccontextmanager
async def connections(url: str, count: int) -> AsyncIterator[list[Connection]]:
    """So many, closed afterwards."""
    made = [await Connection.to(url) for _ in range(count)]
    try:
        yield made
    finally:
        for one in made:
            one.close()


def code_of(answer: bytes) -> str:
    """`200` of `HTTP/1.1 200 OK`."""
    return answer[9:12].decode()


def _size(head: bytes) -> int:
    return int(head.lower().partition(LENGTH)[2].partition(b"\r")[0] or 0)
