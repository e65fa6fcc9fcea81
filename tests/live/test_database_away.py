"""The database goes away while phones talk: they talk on, whoever calls is told so, and afterwards all is as before."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
import pytest_asyncio

from ringback.demo.phone import CallReport, Phone
from ringback.demo.programs import AsteriskProgram
from tests.servers.database import DatabaseServer
from tests.servers.mariadb import MariaDb
from tests.servers.postgresql import PostgreSql

from .conftest import StartPhone, World, until
from .tables import Tables
from .test_asterisk_on_servers import ServersWorld, calls_of, served
from .test_call_records import ended

pytestmark = [pytest.mark.sip, pytest.mark.process, pytest.mark.asyncio(loop_scope="session")]
ENGINES: dict[str, tuple[type[DatabaseServer], int]] = {"mariadb": (MariaDb, 0), "postgresql": (PostgreSql, 600)}
"""Each, and how long Asterisk remembers phones."""
TALK = 60.0
"""Seconds: until somebody hangs up."""


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=ENGINES)
async def servers(
    request: pytest.FixtureRequest, program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServersWorld]:
    """On a database server of their own, which is killed."""
    kind, cache = ENGINES[request.param]
    with kind.private() as server, Tables.on(server, stock=False) as tables:
        async with served(program, tables, tmp_path_factory.mktemp("away"), cache=cache) as one:
            yield one


async def test_phones_talk_on_while_the_database_server_is_killed(servers: ServersWorld, phone: StartPhone) -> None:
    world, at = servers, servers.ports.phones_at
    made = [await world.create(f"340{number}", direct=number == 1) for number in range(6)]
    phones = [await phone(one, tone=tone, server=at) for one, tone in zip(made, (440, 660) * 3, strict=True)]
    stranger = await phone(server=world.ports.public_at)
    assert [await one.register() for one in phones] == [200] * 6
    number, direct = f"sip:3405@{made[5]['realm']}", f"sip:direct.{made[1]['direct_hash']}@sip.localhost"
    lasting = asyncio.create_task(phones[0].call(f"sip:3401@{made[1]['realm']}", talk=TALK, within=TALK))
    ending = asyncio.create_task(phones[2].call(f"sip:3403@{made[3]['realm']}", talk=TALK, within=TALK))
    await until(lambda: calls_of(world, made[1], "up", 1))
    await until(lambda: calls_of(world, made[3], "up", 1))
    database = world.tables.own.server

    await asyncio.to_thread(database.kill)
    try:
        assert (await stranger.call(direct)).status == 503
        known = [503, 200] if world.asterisk.options.cache else [401, 401]
        assert [(await phones[4].call(number)).status, await phones[4].register()] == known
        await phones[3].hang_up()
        assert ((await ending).status, (await phones[3].next_call()).status) == (200, 200)
    finally:
        await asyncio.to_thread(database.start)

    async def is_back() -> bool:
        return (await stranger.call(direct, talk=0.1)).status == 200

    await until(is_back)
    assert [await phones[4].register(), (await phones[4].call(number, talk=0.1)).status] == [200, 200]
    await heard_each_other(lasting, *phones[:2])
    assert [call["ended_by"] for call in await until(lambda: calls_of(world, made[0], "ended", 1))] == ["callee"]


async def heard_each_other(lasting: asyncio.Task[CallReport], caller: Phone, callee: Phone) -> None:
    """The callee hangs up: nothing of what either has said in all that time was lost."""
    await callee.hang_up()
    one = await lasting
    two = next(report for report in [await callee.next_call() for _ in range(2)] if report.peer.startswith("<sip:34"))
    assert (one.status, two.status) == (200, 200)
    assert min(one.sent, two.sent) > 20
    assert min(two.received / one.sent, one.received / two.sent) > 0.8  # some were on their way as it ended
    assert min(one.heard(660), two.heard(440)) > 0.9


async def test_calls_and_their_records_wait_for_nobody_who_locks_the_file(world: World, phone: StartPhone) -> None:
    one, two = await world.create("3411", direct=True), await world.create("3412")
    caller, callee, stranger = await phone(one), await phone(two), await phone()
    assert [await caller.register(), await callee.register()] == [200, 200]
    inside, direct = f"sip:3412@{two['realm']}", f"sip:direct.{one['direct_hash']}@sip.localhost"

    with closing(sqlite3.connect(world.server.database, isolation_level=None, timeout=10)) as locking:
        locking.execute("BEGIN EXCLUSIVE")
        assert (await caller.call(inside, talk=0.1)).status == 200
        assert (await stranger.call(direct, talk=0.1)).status == 200
        assert (await stranger.call("sip:direct.000000000000@sip.localhost")).status == 404
        locking.execute("ROLLBACK")

    assert [(await ended(world, each))["hangup_reason"] for each in (one, two)] == ["normal_clearing"] * 2
