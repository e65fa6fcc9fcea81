"""A server that is killed, frozen or not there, and comes back: requests fail in time, and then go well again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import UUID

import pytest

from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.uow import UnitOfWork, Work
from tests.engines import ADD, ALL, CHANGE, SERVERS, Ground, ground_on, soon, thing
from tests.patience import ENOUGH
from tests.servers.database import DatabaseServer

ONE = UUID(int=1)


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """One that may be killed."""
    from tests.servers.mariadb import MariaDb
    from tests.servers.postgresql import PostgreSql

    with {"mariadb": MariaDb, "postgresql": PostgreSql}[request.param].private() as one:
        yield one


@pytest.fixture
async def ground(server: DatabaseServer) -> AsyncIterator[Ground]:
    async with ground_on(server) as made:
        yield made


@pytest.fixture
def again(server: DatabaseServer) -> Iterator[Callable[[], Any]]:
    """Start the server again, here or at the end."""
    down = [True]

    async def start() -> None:
        await asyncio.to_thread(server.start)
        down.clear()

    yield start
    if down:
        server.start()


async def add(uow: UnitOfWork) -> int:
    return await uow.session.run(ADD, **thing(1))


async def look(uow: UnitOfWork) -> list[Any]:
    return await uow.session.all(ALL)


async def test_a_kill_in_the_middle_of_a_transaction_undoes_it_and_the_next_request_goes_well(
    ground: Ground, server: DatabaseServer, again: Callable[[], Any]
) -> None:
    database = ground.open()
    work = Work(database, UnitOfWork)
    session = database.session(writes=True, deadline=soon())
    await session.run(ADD, **thing(1))
    await work.read(look)
    server.kill()

    with pytest.raises(DatabaseUnavailable):
        await session.run(CHANGE, thing=ONE, name="other")
    with pytest.raises(DatabaseUnavailable):
        await session.commit()
    await session.rollback()
    for verb in (work.read(look), work.write(add)):
        with pytest.raises(DatabaseUnavailable):
            await verb
    await again()

    assert await work.read(look) == []
    assert await work.write(add) == 1


async def test_a_commit_that_nobody_answers_is_done_or_not_and_is_never_half_done(
    ground: Ground, server: DatabaseServer, again: Callable[[], Any]
) -> None:
    database = ground.open()
    session = database.session(writes=True, deadline=soon())
    for number in (1, 2):
        await session.run(ADD, **thing(number))
    committing = asyncio.create_task(session.commit())
    await asyncio.sleep(0)
    server.kill()
    (failure,) = await asyncio.gather(committing, return_exceptions=True)
    await session.rollback()
    await again()

    rows = await database.session(writes=False, deadline=soon()).all(ALL)
    assert failure is None or isinstance(failure, DatabaseUnavailable)
    assert len(rows) in ((0, 2) if failure else (2,))


async def test_connections_that_died_while_nobody_used_them_cost_no_request(
    ground: Ground, server: DatabaseServer, again: Callable[[], Any]
) -> None:
    database = ground.open()
    work = Work(database, UnitOfWork)
    sessions = [database.session(writes=True, deadline=soon()) for _ in range(8)]
    for session in sessions:
        await session.all(ALL)
    for session in sessions:
        await session.rollback()
    async with database.turn("relay") as is_ours:
        assert is_ours
    server.kill()
    await again()

    assert await work.write(add) == 1
    assert len(await work.read(look)) == 1
    async with database.turn("relay") as is_ours:
        assert is_ours


async def test_a_turn_is_lost_with_its_server_and_is_left_in_peace(
    ground: Ground, server: DatabaseServer, again: Callable[[], Any]
) -> None:
    one, other = ground.open(), ground.open()
    async with one.turn("relay") as first:
        assert first
        server.kill()
        with pytest.raises(DatabaseUnavailable):
            async with other.turn("relay"):
                raise AssertionError
        await again()
        async with other.turn("relay") as second:
            assert second


async def test_a_server_that_does_not_answer_takes_no_longer_than_the_deadline(
    ground: Ground, server: DatabaseServer
) -> None:
    database = ground.open(size=3, timeout=1)
    work = Work(database, UnitOfWork)
    session = database.session(writes=True, deadline=soon(2))
    await session.run(ADD, **thing(1))
    await work.read(look)
    server.pause()
    try:
        async with asyncio.timeout(ENOUGH):
            with pytest.raises(DatabaseUnavailable):
                await session.all(ALL)
            await session.rollback()
            answers = [work.write(add, patience=0.5) for _ in range(6)]
            failures = await asyncio.gather(*answers, return_exceptions=True)
            assert {type(failure) for failure in failures} == {DatabaseUnavailable}
            with pytest.raises(DatabaseUnavailable):
                async with database.turn("relay"):
                    raise AssertionError
        async with asyncio.timeout(ENOUGH):
            with pytest.raises(DatabaseUnavailable):
                await database.compact()
    finally:
        server.resume()

    assert await work.write(add) == 1


async def test_a_rollback_that_nobody_answers_does_not_hang(ground: Ground, server: DatabaseServer) -> None:
    database = ground.open(size=1)
    session = database.session(writes=True, deadline=soon(10 * ENOUGH))
    await session.run(ADD, **thing(1))
    server.pause()
    try:
        async with asyncio.timeout(ENOUGH):
            await session.rollback()
    finally:
        server.resume()

    assert await database.session(writes=True, deadline=soon()).insert_if_new(ADD, **thing(1))


async def test_a_wrong_password_is_no_answer_and_is_not_told(
    ground: Ground, server: DatabaseServer, logged: Callable[[], str]
) -> None:
    right = server.password
    server.password = "Sample-Marker"
    database = ground.open()
    server.password = right

    with pytest.raises(DatabaseUnavailable) as caught:
        await database.session(writes=False, deadline=soon()).all(ALL)

    said = f"{caught.value} {caught.value.__cause__} {caught.value.__context__} {logged()}"
    assert "the database failed" in said
    assert "Sample-Marker" not in said


async def test_a_server_that_became_read_only_is_left_for_the_next_connection(
    ground: Ground, server: DatabaseServer
) -> None:
    work = Work(ground.open(size=1), UnitOfWork)
    if ground.engine == "mariadb":
        switch, take_effect = "SET GLOBAL tx_read_only = {}", "SELECT 1"
    else:
        switch, take_effect = "ALTER SYSTEM SET default_transaction_read_only = {}", "SELECT pg_reload_conf()"
    try:
        for statement in (switch.format("on"), take_effect):
            server.execute(statement)
        with pytest.raises(DatabaseUnavailable):
            await work.write(add)
    finally:
        for statement in (switch.format("off"), take_effect):
            server.execute(statement)

    async with asyncio.timeout(ENOUGH):
        while not await is_written(work):
            pass


async def is_written(work: Work[UnitOfWork]) -> bool:
    try:
        return await work.write(add) == 1
    except DatabaseUnavailable:
        return False


async def test_a_server_is_told_when_a_connection_ends(ground: Ground, server: DatabaseServer) -> None:
    if ground.engine != "mariadb":
        pytest.skip("it notes nothing")
    connections = "SELECT count(*) FROM information_schema.processlist"
    asked = "SHOW GLOBAL STATUS LIKE 'Aborted_clients'"
    before = ground.sql(asked)
    database = ground.remote()
    await database.session(writes=False, deadline=soon()).all(ALL)
    await database.session(writes=True, deadline=soon()).all(ALL)
    database.close()
    await asyncio.sleep(0)

    async with asyncio.timeout(ENOUGH):
        while await asyncio.to_thread(ground.sql, connections) != [(1,)]:
            pass
    assert ground.sql(asked) == before
