"""Connections to a NATS of the tests, as the product makes them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.client import Client

from ringback.kit.secret import Secret
from ringback.transports.nats.address import Address
from ringback.transports.nats.link import Link
from tests.servers.nats import Nats


def address(at: Nats, **more: Any) -> Address:
    """Where that NATS is, and who we are there."""
    return Address.parse(at.url, **{"user": at.USER, "password": Secret(at.password), **more})


async def stranger(at: Nats, **more: Any) -> Client:
    """Somebody else's connection. Nothing waits in it, since the library's pings overtake what does: who subscribes
    and flushes would be answered before the server knows of it."""
    client = Client()
    await client.connect(at.url, **{"user": at.USER, "password": at.password, "pending_size": 1, **more})
    return client


@asynccontextmanager
async def linked(to: Nats | Address, name: str = "router-manager") -> AsyncIterator[Link]:
    """A connection of a process of its own, closed at the end."""
    link = Link(to if isinstance(to, Address) else address(to), name)
    await link.start()
    try:
        yield link
    finally:
        await link.close()
