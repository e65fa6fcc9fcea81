"""Whoever is cancelled while a connection is opened is cancelled."""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

import pytest

from ringback.kit.cancelling import cancellable
from ringback.kit.db import Schemas
from ringback.kit.dsn import parse_dsn
from ringback.kit.mariadb import MariaDb
from ringback.kit.remote import RemoteDatabase
from ringback.transports.nats.address import Address
from ringback.transports.nats.connection import Connection
from tests.engines import ground_on
from tests.servers.database import DatabaseServer


async def cancelled_as_it_is_connected(connects: Coroutine[Any, Any, object]) -> bool:
    """Whether who connects ends by it, in the moment before they hear of the socket's success or refusal."""
    before = asyncio.all_tasks()
    connecting = asyncio.create_task(connects)
    seen: set[asyncio.Task[object]] = set()
    while not any(task.done() for task in seen):
        await asyncio.sleep(0)
        seen |= asyncio.all_tasks() - before - {connecting}
    connecting.cancel()
    await asyncio.wait({connecting})
    return connecting.cancelled()


def taking_a_line(database: RemoteDatabase) -> Coroutine[Any, Any, object]:
    return database.lines.take(asyncio.get_running_loop().time() + 30)


async def test_who_is_cancelled_as_a_database_refuses_does_not_go_on() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        engine = MariaDb(parse_dsn(f"ringback:Sample-Pass-0001@tcp(127.0.0.1:{taken.getsockname()[1]})/bin"), 5)
        database = RemoteDatabase(engine, Schemas("bin", "bin"), size=1, timeout=5)

        assert await cancelled_as_it_is_connected(taking_a_line(database))


async def test_who_is_cancelled_as_nats_refuses_does_not_go_on() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = Address.parse("nats://{}:{}".format(*taken.getsockname()))

        assert await cancelled_as_it_is_connected(Connection.open(address, address.servers[0], None, "test"))


@pytest.mark.process
async def test_who_is_cancelled_as_a_connection_is_made_does_not_go_on(mariadb: DatabaseServer) -> None:
    async with ground_on(mariadb) as ground:
        assert await cancelled_as_it_is_connected(taking_a_line(ground.remote(size=1, timeout=5)))


async def test_what_is_not_cancelled_ends_as_it_does() -> None:
    with cancellable():
        pass
    with pytest.raises(KeyError), cancellable():
        raise KeyError
