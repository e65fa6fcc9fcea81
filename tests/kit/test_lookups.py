"""Rows that are looked up in one turn of the loop come by one statement, and nobody notices."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from uuid import UUID

import pytest

from ringback.kit.db import Row, Statement
from ringback.kit.errors import DatabaseUnavailable, TableMissing
from ringback.kit.lookups import MOST, Lookup, Lookups
from ringback.kit.uow import UnitOfWork, Work
from tests.engines import ADD, BY_ID, SERVERS, Ground, ground_on, thing
from tests.servers.mariadb import MariaDb
from tests.servers.postgresql import PostgreSql

WHO: ContextVar[str] = ContextVar("who", default="nobody")


THEIRS = {
    "mariadb": "SELECT concat('KILL ', id) FROM information_schema.processlist"
    " WHERE db = '{own}' AND id != connection_id()",
    "postgresql": "SELECT concat('SELECT pg_terminate_backend(', pid, ')') FROM pg_stat_activity"
    " WHERE query LIKE '%{own}%' AND pid != pg_backend_pid()",
}
"""What ends the connections of a test."""
HOLD = {
    "mariadb": ["LOCK TABLES {own}.things WRITE"],
    "postgresql": ["BEGIN", "LOCK TABLE {own}.things IN ACCESS EXCLUSIVE MODE"],
}
"""Until they are let go, nobody else reads the things."""


class Shelf:
    """Has the rows of even numbers, and hands them out when it is told to."""

    def __init__(self) -> None:
        self.asked: list[list[object]] = []
        self.deadlines: list[float] = []
        self.ready = asyncio.Event()
        self.failure: Exception | None = None
        self.who = ""
        self.lookups = Lookups(self.find)

    async def find(self, lookup: Lookup, keys: Sequence[object], deadline: float) -> list[Row]:
        self.asked.append(list(keys))
        self.deadlines.append(deadline)
        self.who = WHO.get()
        await self.ready.wait()
        if self.failure:
            raise self.failure
        return [{"id": key, "name": f"the row of {key}"} for key in keys if isinstance(key, int) and key % 2 == 0]

    def ask(self, key: int, deadline: float = 0) -> "asyncio.Task[Row | None]":
        return asyncio.create_task(self.lookups.one(BY_ID, key, deadline))


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_asks_in_one_turn_gets_the_own_row_or_none_by_one_statement() -> None:
    shelf = Shelf()
    shelf.ready.set()

    found = await asyncio.gather(*(shelf.ask(key, deadline) for key, deadline in ((2, 1), (3, 9), (4, 5), (2, 0))))

    assert [row and row["name"] for row in found] == ["the row of 2", None, "the row of 4", "the row of 2"]
    assert (shelf.asked, shelf.deadlines) == ([[2, 3, 4]], [9])


async def test_who_asks_when_a_statement_has_begun_gets_another_one() -> None:
    shelf = Shelf()
    first = shelf.ask(2)
    await turns()
    second = shelf.ask(2)
    await turns()

    shelf.ready.set()

    assert await first == await second == {"id": 2, "name": "the row of 2"}
    assert shelf.asked == [[2], [2]]


async def test_who_gives_up_takes_nothing_from_the_others() -> None:
    shelf = Shelf()
    first, second = shelf.ask(2), shelf.ask(4)
    await turns()

    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    shelf.ready.set()

    assert await second == {"id": 4, "name": "the row of 4"}
    assert shelf.asked == [[2, 4]]


async def test_what_goes_wrong_goes_wrong_for_all_of_them_and_for_nobody_else() -> None:
    shelf = Shelf()
    shelf.failure = DatabaseUnavailable()
    shelf.ready.set()

    failed = await asyncio.gather(shelf.ask(2), shelf.ask(4), return_exceptions=True)
    shelf.failure = None

    assert [type(one) for one in failed] == [DatabaseUnavailable] * 2
    assert await shelf.ask(4)


async def test_very_many_come_by_several_statements() -> None:
    shelf = Shelf()
    shelf.ready.set()

    found = await asyncio.gather(*(shelf.ask(2 * number) for number in range(2 * MOST + 1)))

    assert [row and row["id"] for row in found] == [2 * number for number in range(2 * MOST + 1)]
    assert [len(keys) for keys in shelf.asked] == [MOST, MOST, 1]


async def test_a_statement_for_several_is_no_part_of_a_request() -> None:
    shelf = Shelf()
    shelf.ready.set()
    WHO.set("the first who asked")

    await shelf.ask(2)

    assert shelf.who == "nobody"


@pytest.fixture(params=SERVERS)
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    async with ground_on(request.getfixturevalue(request.param)) as made:
        yield made


async def fill(work: Work[UnitOfWork], count: int) -> None:
    await work.write(lambda uow: uow.session.run_each(ADD, [thing(number) for number in range(1, count + 1)]))


async def names(work: Work[UnitOfWork], *numbers: int) -> list[str | None]:
    """Of all these, asked for at once."""

    async def name(number: int) -> str | None:
        row = await work.read(lambda uow: uow.session.one(BY_ID, thing=UUID(int=number)))
        return str(row["name"]) if row else None

    return await asyncio.gather(*map(name, numbers))


async def test_requests_that_only_read_share_a_statement_on_one_connection(ground: Ground) -> None:
    seen: list[Statement] = []
    work = Work(ground.open(size=1, watch=seen.append), UnitOfWork)
    await fill(work, 20)
    seen.clear()

    found = await names(work, *range(20, -1, -1))

    assert found == [*(f"name {number}" for number in range(20, 0, -1)), None]
    assert seen == [BY_ID]
    assert (await names(work, 7), await names(work, 99)) == (["name 7"], [None])


async def test_who_changes_something_reads_in_the_own_transaction(ground: Ground) -> None:
    seen: list[Statement] = []
    work = Work(ground.open(watch=seen.append), UnitOfWork)
    await fill(work, 1)
    seen.clear()

    async def make(uow: UnitOfWork, number: int) -> bool:
        await uow.session.run(ADD, **thing(number))
        return await uow.session.one(BY_ID, thing=UUID(int=number)) is not None

    made = await asyncio.gather(*(work.write(lambda uow, number=number: make(uow, number)) for number in (2, 3, 4)))  # type: ignore[misc]

    assert made == [True] * 3
    assert seen.count(BY_ID) == 3


async def test_connections_that_had_died_are_noticed_by_none_of_those_who_ask(ground: Ground) -> None:
    work = Work(ground.open(), UnitOfWork)
    await fill(work, 3)
    await names(work, 1)
    for (kill,) in ground.sql(THEIRS[ground.engine]):
        ground.sql(kill)

    assert await names(work, 1, 2, 3) == ["name 1", "name 2", "name 3"]


async def test_each_of_them_is_told_what_is_wrong(ground: Ground) -> None:
    work = Work(ground.open(), UnitOfWork)
    ground.sql("DROP TABLE {own}.things")

    failed = await asyncio.gather(names(work, 1), names(work, 2), return_exceptions=True)

    assert [type(one) for one in failed] == [TableMissing] * 2


async def test_each_of_them_waits_for_as_long_as_it_may(ground: Ground) -> None:
    seen: list[Statement] = []
    work = Work(ground.open(timeout=30, watch=seen.append), UnitOfWork)
    await fill(work, 2)
    assert isinstance(ground.where, MariaDb | PostgreSql)

    async def name(number: int, patience: float) -> str:
        row = await work.read(lambda uow: uow.session.one(BY_ID, thing=UUID(int=number)), patience=patience)
        return str(row and row["name"])

    with ground.where.connect() as holder, holder.cursor() as cursor:
        for words in HOLD[ground.engine]:
            cursor.execute(words.format(own=ground.own))
        patient = asyncio.create_task(name(1, 30))
        with pytest.raises(DatabaseUnavailable):
            await name(2, 0.3)

    assert await patient == "name 1"
    assert seen == [ADD, BY_ID]
