"""The one connection of a process to NATS: whatever ends it, it comes back."""

import asyncio
import contextlib
import ssl
from typing import Final

import structlog

from ringback.kit.errors import BrokerUnavailable, CannotStart
from ringback.kit.pauses import Pauses
from ringback.transports.nats.address import Address
from ringback.transports.nats.client import Away, Refused
from ringback.transports.nats.connection import Connection
from ringback.transports.nats.publishing import Publishing
from ringback.transports.nats.requests import Requests
from ringback.transports.nats.services import NatsServices

SETTING: Final = "nats_address"
PATIENCE: Final = 5.0
"""Seconds that a start waits for NATS before it goes on without."""

log = structlog.get_logger()


class Link:
    """Several servers are tried in turn, and so is the one there was. `CannotStart` for files that are none."""

    def __init__(self, address: Address, name: str) -> None:
        """`name` is what operators of NATS see."""
        self._address = address
        self._name = name
        self._context: ssl.SSLContext | None = address.context()
        address.require_credentials()
        self._connection: Connection | None = None
        self._runner: asyncio.Task[None] | None = None
        self._said = ""
        self._services = NatsServices(self.connection)

    @property
    def is_connected(self) -> bool:
        return self._connection is not None and not self._connection.lost.done()

    def connection(self) -> Connection:
        """The one there is now; `BrokerUnavailable` while there is none."""
        if self._connection is None or self._connection.lost.done():
            raise BrokerUnavailable
        return self._connection

    def publishing(self) -> Publishing:
        """What takes the events of the registry there."""
        return Publishing(self.connection)

    def bus(self) -> Requests:
        """The way to those who serve subjects there."""
        return Requests(self.connection)

    def services(self) -> NatsServices:
        """Where this process serves subjects."""
        return self._services

    async def start(self) -> None:
        """Return when connected, or when there is no server for now: then it is tried for ever.

        `CannotStart` when the server does not let us in.
        """
        if self._address.is_exposed:
            log.warning("what is said to NATS goes over the network in plain text", action="nats", setting=SETTING)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._connect()
        except (Away, TimeoutError) as away:
            await self._disconnect()
            self._say(str(away) or "it does not answer")
        except Refused as refused:
            raise CannotStart(f"{SETTING}: {refused}") from None
        self._runner = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End it when all that was given has arrived; it does not come back."""
        if self._runner:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner
        await self._disconnect()

    async def _run(self) -> None:
        pauses = Pauses()
        while True:
            try:
                connection = self._connection or await self._connect()
                await asyncio.wait([connection.lost])
                self._say(connection.lost.result())
            except Away as away:
                self._say(str(away))
            except Refused as refused:
                self._say(str(refused), refused=True)
            except Exception as error:  # whatever it is, to be without NATS for ever is worse
                log.error("the way to NATS failed", action="nats", error=type(error).__name__)
            await self._disconnect()
            await pauses.wait()

    async def _connect(self) -> Connection:
        """The first server that lets us in; what the last one said, if none does."""
        failure: Exception = Away()
        for server in self._address.servers:
            try:
                self._connection = await Connection.open(self._address, server, self._context, self._name)
                await self._services.begin(self._connection)
            except (Away, Refused) as error:
                failure = error
                await self._disconnect()
                continue
            if self._said:
                log.info("NATS is back", action="nats", server=str(server))
                self._said = ""
            return self._connection
        raise failure

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            await connection.close()

    def _say(self, why: str, *, refused: bool = False) -> None:
        """Once for each reason, not once for each try."""
        if why != self._said:
            tell = log.error if refused else log.warning
            tell("NATS is away", action="nats", servers=str(self._address), error=why)
            self._said = why
