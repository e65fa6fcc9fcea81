"""What only servers do: they let wait for locks, see deadlocks, refuse, and say so in words of their own."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import BigInteger, cast, select

from ringback.kit.db import Duplicate, Refused, Statement, StillRead
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.uow import UnitOfWork, Work
from tests.engines import (
    ADD,
    ADD_THEIRS,
    ALL,
    BY_ID,
    CHANGE,
    COUNT_UP,
    FORGET,
    LOCK,
    NO_COLUMN,
    SERVERS,
    Ground,
    ground_on,
    soon,
    thing,
    things,
)
from tests.patience import ENOUGH

ONE, TWO = UUID(int=1), UUID(int=2)
WAITING = {
    "mariadb": "SELECT count(*) FROM information_schema.processlist"
    " WHERE id != connection_id() AND command = 'Execute' AND info LIKE '%{own}%'",
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%{own}%'",
}
AS_NUMBER = Statement(select(cast(things.c.name, BigInteger).label("number")))
BEATS = {
    "mariadb": "SHOW GLOBAL STATUS LIKE 'Com_select'",
    "postgresql": "SELECT query_start FROM pg_stat_activity WHERE query = 'SELECT 1'",
}
KILLS = {
    "mariadb": "SELECT concat('KILL ', id) FROM information_schema.processlist"
    " WHERE user = 'ringback' AND id != connection_id()",
    "postgresql": "SELECT concat('SELECT pg_terminate_backend(', pid, ')')"
    " FROM pg_stat_activity WHERE query = 'SELECT 1'",
}
HOLDER = """
import asyncio, sys
from ringback.kit.db import Schemas
from ringback.kit.dsn import parse_dsn
from ringback.kit.mariadb import MariaDb
from ringback.kit.postgres import Postgres
from ringback.kit.remote import RemoteDatabase

async def main(engine, url, own):
    kind = MariaDb if engine == "mariadb" else Postgres
    async with RemoteDatabase(kind(parse_dsn(url), 5), Schemas(own, own), size=1, timeout=5).turn("relay") as is_ours:
        print(is_ours, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(params=SERVERS)
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    async with ground_on(request.getfixturevalue(request.param)) as made:
        yield made


async def until(happens: Callable[[], bool]) -> None:
    """Wait for something that the server does."""
    async with asyncio.timeout(ENOUGH):
        while not await asyncio.to_thread(happens):
            pass


async def test_a_deadlock_is_run_again(ground: Ground) -> None:
    work = Work(ground.open(), UnitOfWork)
    for number in (1, 2):
        await work.write(lambda uow, number=number: uow.session.run(ADD, **thing(number)))  # type: ignore[misc]
    locked = {ONE: asyncio.Event(), TWO: asyncio.Event()}
    runs = 0

    async def cross(first: UUID, second: UUID) -> None:
        async def verb(uow: UnitOfWork) -> None:
            nonlocal runs
            runs += 1
            await uow.session.run(COUNT_UP, thing=first)
            locked[first].set()
            await locked[second].wait()
            await uow.session.run(COUNT_UP, thing=second)

        await work.write(verb, patience=20)

    await asyncio.gather(cross(ONE, TWO), cross(TWO, ONE))

    assert runs == 3
    assert ground.sql("SELECT count FROM {own}.things") == [(2,), (2,)]


async def test_a_lock_is_waited_for_as_long_as_is_set_and_the_connection_lives_on(ground: Ground) -> None:
    holder = ground.open().session(writes=True, deadline=soon(30))
    await holder.run(ADD, **thing(1))
    database = ground.open(size=1, timeout=1)
    waiter = database.session(writes=True, deadline=soon(30))
    await waiter.run(ADD, **thing(2))

    with pytest.raises(DatabaseUnavailable):
        await waiter.run(ADD, **thing(3, number="n1"))

    if ground.engine == "mariadb":
        assert await waiter.insert_if_new(ADD, **thing(4))
    await waiter.rollback()
    await holder.commit()
    assert [row["id"] for row in await database.session(writes=False, deadline=soon()).all(ALL)] == [ONE]


@pytest.mark.parametrize("ending", ["cancelled", "too late"])
async def test_who_stops_waiting_for_an_answer_gives_no_spoilt_connection_to_others(
    ground: Ground, ending: str
) -> None:
    holder = ground.open().session(writes=True, deadline=soon(30))
    await holder.run(ADD, **thing(1))
    database = ground.open(size=1)
    patience = 20 if ending == "cancelled" else 0.5

    async def wait(uow: UnitOfWork) -> None:
        await uow.session.one(LOCK, thing=ONE)
        await uow.session.run(ADD, **thing(1))

    waiting = asyncio.create_task(Work(database, UnitOfWork).write(wait, patience=patience))
    if ending == "cancelled":
        await until(lambda: ground.sql(WAITING[ground.engine]) == [(1,)])
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError if ending == "cancelled" else DatabaseUnavailable):
        await waiting

    others = database.session(writes=True, deadline=soon())
    assert await others.run(ADD, **thing(2)) == 1
    assert [row["id"] for row in await others.all(ALL)] == [TWO]
    await others.commit()


async def test_no_more_connections_are_open_than_are_allowed(ground: Ground) -> None:
    database = ground.open(size=2)
    first, second = (database.session(writes=True, deadline=soon(30)) for _ in range(2))
    await first.run(ADD, **thing(1))
    await second.run(ADD, **thing(2))

    for writes in (True, False):
        late = database.session(writes=writes, deadline=soon(0.05))
        with pytest.raises(DatabaseUnavailable):
            await late.all(ALL)
        await late.rollback()

    waiting = asyncio.create_task(database.session(writes=False, deadline=soon()).all(ALL))
    await asyncio.sleep(0)
    await first.commit()
    assert [row["id"] for row in await waiting] == [ONE]
    await second.commit()


async def test_readers_hold_no_connection_between_two_statements(ground: Ground) -> None:
    database = ground.open(size=1)
    readers = [database.session(writes=False, deadline=soon()) for _ in range(3)]

    for _ in range(2):
        for reader in readers:
            assert await reader.all(ALL) == []

    await asyncio.gather(*(reader.all(ALL) for reader in readers))


async def test_what_the_engine_refuses_tells_no_value(ground: Ground, logged: Callable[[], str]) -> None:
    database, refused = ground.open(), (Refused, UnicodeEncodeError)
    told = []
    for statement, values in (
        (ADD, thing(hash=None, name="Sample-Marker")),
        (ADD, thing(name="Sample-Marker" * 100)),
        (ADD, thing(count="Sample-Marker")),
        (ADD, thing(count=2**63)),
        (ADD, thing(name="Sample-Marker\ud800")),
        (ADD_THEIRS, {"id": "Sample-Marker", "kind": "digest"}),
        (NO_COLUMN, {}),
    ):
        session = database.session(writes=True, deadline=soon())
        with pytest.raises(refused) as caught:
            await session.run(statement, **values)
        await session.rollback()
        told.append("".join(map(str, (caught.value, caught.value.__cause__, caught.value.__context__))))
    for values in (thing(1, name="Sample-Marker"), thing(2, name="Sample-Marker")):
        session = database.session(writes=True, deadline=soon())
        try:
            await session.run(ADD, **values)
            await session.commit()
        except Duplicate as duplicate:
            await session.rollback()
            told.append(f"{duplicate} {duplicate.__cause__} {duplicate.__context__}")

    assert len(told) == 8
    assert "Sample-Marker" not in "".join(told)
    assert "Sample-Marker" not in logged()


async def test_no_warning_of_the_engine_is_logged_since_it_tells_values(
    ground: Ground, logged: Callable[[], str]
) -> None:
    session = ground.open().session(writes=True, deadline=soon())
    await session.run(ADD, **thing(name="Sample-Marker"))

    with suppress(Refused):
        await session.all(AS_NUMBER)

    await session.rollback()
    assert "Sample-Marker" not in logged()


async def test_what_failed_in_part_is_committed_in_no_part_where_the_engine_undid_it(ground: Ground) -> None:
    session = ground.open().session(writes=True, deadline=soon())
    await session.run(ADD, **thing(1))
    with pytest.raises(Duplicate):
        await session.run(ADD, **thing(1))

    if ground.engine == "postgresql":
        with pytest.raises(Refused):
            await session.commit()
        await session.rollback()
    else:
        await session.commit()

    assert len(ground.sql("SELECT id FROM {own}.things")) == (0 if ground.engine == "postgresql" else 1)


async def test_a_document_is_one_to_the_engine_too(ground: Ground) -> None:
    session = ground.open().session(writes=True, deadline=soon())
    await session.run(ADD, **thing(1, note={"a": "ü"}))
    await session.run(ADD, **thing(2, note=None))
    await session.commit()

    kind = "json_type(note)" if ground.engine == "mariadb" else "jsonb_typeof(note)"
    kinds = [row[0] and row[0].lower() for row in ground.sql(f"SELECT {kind} FROM {{own}}.things ORDER BY id")]
    assert kinds == ["object", None]


async def test_sessions_have_settings_of_their_own_whatever_the_server_is_set_to(ground: Ground) -> None:
    asked = {
        "mariadb": "SELECT @@tx_isolation, @@time_zone, @@innodb_lock_wait_timeout, @@sql_mode LIKE '%STRICT_ALL%'",
        "postgresql": "SELECT current_setting('transaction_isolation'), current_setting('TimeZone'),"
        " current_setting('lock_timeout'), current_setting('client_encoding')",
    }
    link = await ground.remote(timeout=3).engine.open()
    try:
        ((*settings,),) = (await link.execute(asked[ground.engine], None)).rows
    finally:
        link.close()

    expected = {
        "mariadb": ["READ-COMMITTED", "+00:00", 3, 1],
        "postgresql": ["read committed", "UTC", "3s", "UTF8"],
    }
    assert settings == expected[ground.engine]


async def test_a_turn_ends_with_the_process_that_has_it(ground: Ground) -> None:
    url = ground.where.url() if not isinstance(ground.where, Path) else ""
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, ground.engine, url, ground.own), stdout=asyncio.subprocess.PIPE
    )
    database = ground.open()
    try:
        assert holder.stdout
        assert await holder.stdout.readline() == b"True\n"
        async with database.turn("relay") as is_ours:
            assert not is_ours
    finally:
        holder.kill()
        await holder.wait()

    async with asyncio.timeout(ENOUGH):
        while True:
            async with database.turn("relay") as is_ours:
                if is_ours:
                    break


async def test_who_has_a_turn_gives_signs_of_life_and_has_none_without_its_connection(ground: Ground) -> None:
    holder, other = ground.remote(beat=0.01), ground.open()
    ground.opened.append(holder)
    async with holder.turn("relay") as is_ours:
        assert is_ours
        beat = await asyncio.to_thread(ground.sql, BEATS[ground.engine])
        await until(lambda: ground.sql(BEATS[ground.engine]) != beat)
        for (word,) in await asyncio.to_thread(ground.sql, KILLS[ground.engine]):
            ground.sql(word)
        async with asyncio.timeout(ENOUGH):
            while True:
                async with other.turn("relay") as is_theirs:
                    if is_theirs:
                        break

    async with other.turn("relay") as is_theirs:
        assert is_theirs


async def test_many_turns_are_held_at_once_and_released(ground: Ground) -> None:
    one, other = ground.open(size=1), ground.open()
    busy = one.session(writes=True, deadline=soon())
    await busy.run(ADD, **thing(1))

    async def hold(name: int) -> bool:
        async with one.turn(str(name)) as is_ours, other.turn(str(name)) as is_theirs:
            return is_ours and not is_theirs

    for _ in range(2):
        assert all(await asyncio.gather(*map(hold, range(40))))


async def test_files_hold_nothing_of_what_was_overwritten_once_the_tables_are_written_anew(ground: Ground) -> None:
    database, other = ground.open(timeout=1), ground.open()
    session = database.session(writes=True, deadline=soon())
    for number in range(1, 30):
        await session.run(ADD, **thing(number, name=f"overwritten {number}"))
    await session.commit()
    for number in range(1, 30):
        await session.run(CHANGE, thing=UUID(int=number), name=f"new {number}")
    await session.commit()
    assert await asyncio.to_thread(is_in_files, ground, b"overwritten")
    await other.session(writes=False, deadline=soon()).all(ALL)
    holder = other.session(writes=True, deadline=soon(60))
    await holder.all(ALL)
    with pytest.raises(StillRead):
        await database.compact()
    await holder.rollback()

    await database.compact()

    assert not await asyncio.to_thread(is_in_files, ground, b"overwritten")
    assert await asyncio.to_thread(is_in_files, ground, b"new 29")
    assert len(await session.all(ALL)) == 29


def is_in_files(ground: Ground, marker: bytes) -> bool:
    """Whether the table's files hold it, once the server has written what it has in memory."""
    assert not isinstance(ground.where, Path)
    data = ground.where.folder / "data"
    if ground.engine == "mariadb":
        with ground.where.connect() as connection, connection.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute(f"FLUSH TABLES {ground.own}.things FOR EXPORT")
            return marker in (data / ground.own / "things.ibd").read_bytes()
    ground.sql("CHECKPOINT")
    return any(marker in file.read_bytes() for file in (data / "base").rglob("*") if file.is_file())


async def test_statements_run_one_by_one_where_nothing_is_written(ground: Ground) -> None:
    seen: list[Statement] = []
    database = ground.open(watch=seen.append)
    work = Work(database, UnitOfWork)

    async def look(uow: UnitOfWork) -> list[Any]:
        return [await uow.session.all(ALL), await uow.session.one(BY_ID, thing=ONE)]

    assert await work.read(look) == [[], None]
    assert seen == [ALL, BY_ID]
    assert await work.write(lambda uow: uow.session.run(FORGET)) == 0
