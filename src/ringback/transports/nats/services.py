"""Micro services over NATS: they come back with each new connection."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

from nats.errors import Error as NatsError
from nats.micro import add_service
from nats.micro.request import Request
from nats.micro.service import Service

from ringback.kit.bus import NONE, Letter, Serve
from ringback.kit.cancelling import cancellable
from ringback.kit.errors import BrokerUnavailable
from ringback.transports.answering import Answering
from ringback.transports.nats.client import Away
from ringback.transports.nats.connection import Connection

VERSION: Final = "1.0.0"
"""What a micro service must have; the version that counts is the last part of its subject."""
PATIENCE: Final = 3.0
"""Seconds that a server may take to know of a service, or to forget it."""


class Served:
    """One service, on the connection there is."""

    def __init__(self, name: str, subject: str, queue: str, serve: Serve) -> None:
        self._name = name
        self._subject = subject
        self._queue = queue
        self._answering = Answering(name, serve)
        self._connection: Connection | None = None
        self._service: Service | None = None
        self._is_over = False
        self._turn = asyncio.Lock()

    async def begin(self, connection: Connection) -> None:
        """Return when the server knows of it; `Away` when that is not known, and then the connection is no good."""
        async with self._turn:
            if self._is_over or connection is self._connection:
                return
            try:
                async with asyncio.timeout(PATIENCE):
                    with cancellable():
                        self._service = await self._added(connection)
            except (NatsError, OSError, TimeoutError) as error:
                connection.end("it does not answer")
                raise Away(str(error)) from None
            self._connection = connection

    async def end(self) -> None:
        """Return when all that the server has sent is answered, and no more comes."""
        async with self._turn:
            self._is_over = True
            if self._service and self._connection and not self._connection.lost.done():
                with suppress(NatsError, OSError, TimeoutError):
                    async with asyncio.timeout(PATIENCE):
                        with cancellable():
                            await _left(self._service)
            self._service = None
        await self._answering.finish()

    async def _added(self, connection: Connection) -> Service:
        service = await add_service(connection.client, name=self._name, version=VERSION)
        await service.add_endpoint(
            name=self._name, subject=self._subject, queue_group=self._queue, handler=partial(self._take, connection)
        )
        await connection.client.flush()
        return service

    async def _take(self, connection: Connection, request: Request) -> None:
        letter = Letter(request.data, request.headers or NONE)
        self._answering.take(letter, partial(connection.reply, request._msg.reply))


class NatsServices:
    """`Services` over whatever connection there is."""

    def __init__(self, connection: Callable[[], Connection]) -> None:
        """`connection` gives the one there is; `BrokerUnavailable` while there is none."""
        self._connection = connection
        self._all: list[Served] = []

    async def serve(self, name: str, subject: str, serve: Serve, *, queue: str = "q") -> Callable[[], Awaitable[None]]:
        served = Served(name, subject, queue, serve)
        self._all.append(served)
        with suppress(BrokerUnavailable, Away):  # it begins with the next connection
            await served.begin(self._connection())

        async def stop() -> None:
            if served in self._all:
                self._all.remove(served)
            await served.end()

        return stop

    async def begin(self, connection: Connection) -> None:
        """All of them on a new connection; `Away` when it has gone already."""
        for served in list(self._all):
            await served.begin(connection)


async def _left(service: Service) -> None:
    """The library's own way forgets what the server has already sent."""
    for endpoint in service._endpoints:
        if endpoint._subscription:
            await endpoint._subscription.drain()
    service._endpoints.clear()
    await service.stop()
