"""Words that come by UDP, one in each datagram; nobody is answered."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable


class _Ear(asyncio.DatagramProtocol):
    def __init__(self, hear: Callable[[bytes], None]) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._hear(data)


@contextlib.asynccontextmanager
async def hearing(opened: socket.socket, hear: Callable[[bytes], None]) -> AsyncIterator[None]:
    """Hand each datagram on while inside; `hear` raises nothing, whatever stands in it."""
    opened.setblocking(False)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Ear(hear), sock=opened)
    try:
        yield
    finally:
        transport.close()
