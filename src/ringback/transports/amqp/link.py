"""The way to one broker, which comes back for ever, and all that is restored each time it does."""

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Final, Protocol, TypeVar

import structlog

from ringback.kit.errors import CannotStart
from ringback.kit.pauses import Pauses
from ringback.transports.amqp.address import Address
from ringback.transports.amqp.channel import Channel
from ringback.transports.amqp.connection import Connection
from ringback.transports.amqp.refusals import Away, Refused

PATIENCE: Final = 5.0
"""Seconds that a start waits for a broker before it goes on without."""

T = TypeVar("T")

log = structlog.get_logger()


class Role(Protocol):
    """What is done on one channel. `setting` is named where the broker will not have it."""

    @property
    def setting(self) -> str: ...

    async def declare(self, channel: Channel) -> None:
        """Make what is needed at the broker, as often as this is called; it may be there already."""

    async def begin(self, channel: Channel) -> None:
        """Go to work on the channel."""

    def lost(self) -> None:
        """The channel has gone, or its consumer: there will be another."""


class Link:
    """One connection for all roles, a channel for each. Whatever ends, connection, channel or consumer, comes back."""

    def __init__(self, address: Address, name: str, setting: str, *, patience: float = PATIENCE) -> None:
        """`name` is what operators of the broker see, `setting` what the address is called by who has to mend it."""
        self._address = address
        self._name = name
        self._setting = setting
        self._patience = patience
        self._roles: dict[Role, asyncio.Task[None] | None] = {}
        self._connection: Connection | None = None
        self._arrival = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._said = ""

    def add(self, role: Role) -> None:
        self._roles[role] = asyncio.create_task(self._keep(role)) if self._runner else None

    async def remove(self, role: Role) -> None:
        """Close its channel: what is unacknowledged there goes back."""
        await _ended(self._roles.pop(role, None))

    async def start(self) -> None:
        """Return when all is declared and at work, or when there is no broker for now: then it is tried for ever.

        `CannotStart` when the broker says no.
        """
        channels: dict[Role, Channel] = {}
        try:
            async with asyncio.timeout(self._patience):
                await self._settle(await self._connect(), channels)
        except (Away, TimeoutError) as error:
            channels.clear()
            await self._disconnect()
            self._say(str(error) or "it does not answer")
        except BaseException:
            await self._disconnect()
            raise
        self._runner = asyncio.create_task(self._run())
        for role in self._roles:
            self._roles[role] = asyncio.create_task(self._keep(role, channels.get(role)))

    async def close(self) -> None:
        """Close channels and connection; nothing comes back."""
        for task in (*self._roles.values(), self._runner):
            await _ended(task)
        await self._disconnect()

    async def _settle(self, connection: Connection, channels: dict[Role, Channel]) -> None:
        """All is declared before anything begins."""
        for role in self._roles:
            channels[role] = await connection.channel()
            await _or_cannot_start(role.setting, role.declare(channels[role]))
        for role, channel in channels.items():
            await _or_cannot_start(role.setting, role.begin(channel))

    async def _run(self) -> None:
        pauses = Pauses()
        while True:
            try:
                connection = self._connection or await self._connect()
                await asyncio.wait([connection.lost])
                self._say(connection.lost.result())
            except Away as away:
                self._say(str(away))
            except CannotStart as refused:
                self._say(str(refused), refused=True)
            except Exception as error:  # whatever it is, to be without a broker for ever is worse
                log.error("the way to the broker failed", action="amqp", exc_info=error)
            self._connection = None
            self._arrival.clear()
            await pauses.wait()

    async def _keep(self, role: Role, channel: Channel | None = None) -> None:
        """Keep a role at work, first on `channel`, if it is at work there already, and then on others."""
        pauses, begun = Pauses(), channel is not None
        try:
            while True:
                try:
                    channel = channel or await self._channel()
                    if not begun:
                        await role.declare(channel)
                        await role.begin(channel)
                    begun = False
                    await channel.disturbed()
                except Away:
                    channel = None
                except Refused as refused:
                    channel = None
                    log.error(
                        "the broker refuses", action="amqp", setting=refused.setting or role.setting, error=str(refused)
                    )
                except Exception as error:
                    if channel:
                        channel.close()
                    channel = None
                    log.error("a role at the broker failed", action="amqp", setting=role.setting, exc_info=error)
                role.lost()
                await pauses.wait()
        finally:
            role.lost()
            if channel:
                channel.close()

    async def _channel(self) -> Channel:
        await self._arrival.wait()
        if not self._connection:
            raise Away
        return await self._connection.channel()

    async def _connect(self) -> Connection:
        self._connection = await _or_cannot_start(self._setting, Connection.open(self._address, self._name))
        self._arrival.set()
        if self._said:
            log.info("the broker is back", action="amqp", broker=str(self._address))
            self._said = ""
        return self._connection

    async def _disconnect(self) -> None:
        self._arrival.clear()
        connection, self._connection = self._connection, None
        if connection:
            await connection.close()

    def _say(self, why: str, *, refused: bool = False) -> None:
        """Once for each reason, not once for each try."""
        if why != self._said:
            tell = log.error if refused else log.warning
            tell("the broker is away", action="amqp", broker=str(self._address), error=why)
            self._said = why


async def _or_cannot_start(setting: str, asked: Awaitable[T]) -> T:
    try:
        return await asked
    except Refused as refused:
        raise CannotStart(f"{refused.setting or setting}: {refused}") from None


async def _ended(task: asyncio.Task[None] | None) -> None:
    if task:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
