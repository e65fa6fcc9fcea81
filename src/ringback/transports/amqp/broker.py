"""One service's side of RabbitMQ, put together: what it serves, follows, tells and asks, over one connection."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from ringback.kit.errors import CannotStart
from ringback.kit.gate import Gate
from ringback.kit.rpc import Send, Serve
from ringback.transports.amqp import requests, subscription
from ringback.transports.amqp.address import Address
from ringback.transports.amqp.asking import Asking
from ringback.transports.amqp.link import PATIENCE, Link
from ringback.transports.amqp.publishing import Publishing
from ringback.transports.amqp.requests import Requests
from ringback.transports.amqp.subscription import Subscription, Take
from ringback.transports.amqp.topology import Topology

SETTING: Final = "rabbitmq_address"


class Broker:
    """Say first what is wanted of it, then `start`; at the end `drain`, and `close` when nobody tells or asks any more.

    `CannotStart` for an address that is none.
    """

    def __init__(self, address: str, topology: Topology, *, patience: float = PATIENCE) -> None:
        """`patience` is how many seconds a start waits for a broker before it goes on without."""
        self._topology = topology
        self._link = Link(_address(address), topology.service, SETTING, patience=patience)
        self._requests: Requests | None = None
        self._subscription: Subscription | None = None

    @property
    def is_serving(self) -> bool:
        """Whether requests reach us now."""
        return self._requests is not None and self._requests.is_active

    def publishing(self) -> Publishing:
        """What takes our events."""
        role = Publishing(self._topology.events)
        self._link.add(role)
        return role

    def asking(self) -> Send:
        """The way to other services: targets are their queues."""
        role = Asking(SETTING)
        self._link.add(role)
        return role.send

    def serve(
        self,
        serve: Serve,
        *,
        prefetch: int = requests.PREFETCH,
        gate: Gate | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Answer requests; those within `gate` wait for other services."""
        self._requests = Requests(self._link, self._topology, serve, prefetch, gate, clock)

    def follow(self, take: Take, *, prefetch: int = subscription.PREFETCH) -> None:
        """Follow the events of the upstreams."""
        self._subscription = Subscription(self._topology, take, prefetch)
        self._link.add(self._subscription)

    async def start(self) -> None:
        """Return when all is declared and at work, or when there is no broker for now: then it is tried for ever.

        `CannotStart` when the broker says no.
        """
        await self._link.start()

    async def drain(self, seconds: float) -> None:
        """Take no more of others; let requests in hand be answered, at most so long, and give all else back."""
        async with asyncio.TaskGroup() as draining:
            if self._subscription:
                draining.create_task(self._subscription.drain(self._link))
            if self._requests:
                draining.create_task(self._requests.drain(seconds))

    async def close(self) -> None:
        await self._link.close()


@asynccontextmanager
async def client(address: str, name: str = "ringback") -> AsyncIterator[Send]:
    """The way to the services of a platform, for those who only ask; operators of the broker see `name`.

    `CannotStart` when the broker says no; while there is none, asking raises `PeerUnavailable`.
    """
    link = Link(_address(address), name, SETTING)
    role = Asking(SETTING)
    link.add(role)
    await link.start()
    try:
        yield role.send
    finally:
        await link.close()


def each_time(address: str, name: str = "ringback") -> Send:
    """The same for those who seldom ask: a connection for each request."""

    async def send(target: str, envelope: bytes, seconds: float) -> bytes:
        async with client(address, name) as ask:
            return await ask(target, envelope, seconds)

    return send


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise CannotStart(f"{SETTING}: {error}") from None
