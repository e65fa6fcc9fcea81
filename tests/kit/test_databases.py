"""What every database must do, on each engine: the contract of `Database` and `Session`."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from ringback.kit.db import Duplicate, Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.uow import UnitOfWork, Work
from tests.engines import (
    ADD,
    ADD_THEIRS,
    ALL,
    BY_ID,
    BY_NAME,
    CHANGE,
    COLUMNS,
    COUNT_UP,
    ENGINES,
    FORGET,
    LOCK,
    THEIRS,
    Ground,
    ground_in,
    ground_on,
    soon,
    thing,
)

TEXTS = ["", "O'Brien \\ % %s $1 :x ? \" `;--", "Zoë 😀 名", "tab\tline\nend"]


@pytest.fixture(params=ENGINES)
async def ground(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ground]:
    engine = request.param
    async with ground_in(tmp_path) if engine == "sqlite" else ground_on(request.getfixturevalue(engine)) as made:
        yield made


@pytest.mark.parametrize(
    ("second", "rule"),
    [
        (thing(1, number="2", hash="2", name="b"), "id"),
        (thing(2, number="n1", hash="2", name="b"), "number"),
        (thing(2, name="NAME 1"), "folded"),
        (thing(2, hash="h1"), "hash"),
    ],
    ids=["primary key", "columns", "expression", "one column"],
)
async def test_a_duplicate_names_the_rule_it_broke(ground: Ground, second: dict[str, object], rule: str) -> None:
    database = ground.open()
    first = database.session(writes=True, deadline=soon())
    await first.run(ADD, **thing(1))
    await first.commit()
    session = database.session(writes=True, deadline=soon())

    with pytest.raises(Duplicate) as caught:
        await session.run(ADD, **second)

    assert caught.value.rule == rule
    await session.rollback()
    session = database.session(writes=True, deadline=soon())
    assert not await session.insert_if_new(ADD, **second)
    assert await session.insert_if_new(ADD, **thing(3))
    await session.commit()
    rows = await database.session(writes=False, deadline=soon()).all(ALL)
    assert [row["id"].int for row in rows] == [1, 3]


async def test_a_rule_for_what_lives_lets_go_of_what_is_gone(ground: Ground) -> None:
    session = ground.open().session(writes=True, deadline=soon())
    await session.run(ADD, **thing(1, tm_delete=datetime(2026, 1, 1, tzinfo=UTC)))

    assert await session.insert_if_new(ADD, **thing(2, name="name 1"))


@pytest.mark.parametrize("words", TEXTS)
async def test_what_is_kept_comes_back_as_it_was(ground: Ground, words: str) -> None:
    row = thing(
        id=UUID("3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"),
        name=words,
        note={"b": [1, None, True, {"a": words}], "a": 1.5, words: []},
        tm=datetime(2026, 2, 11, 10, 30, 0, 1, tzinfo=UTC) + timedelta(hours=1),
        count=2**62,
    )
    database = ground.open()
    session = database.session(writes=True, deadline=soon())
    await session.run(ADD, **row)
    await session.commit()

    reader = database.session(writes=False, deadline=soon())
    shouted = "".join(letter.upper() if letter.isascii() else letter for letter in words)
    assert await reader.one(BY_ID, thing=row["id"]) == row
    assert [found["id"] for found in await reader.all(BY_NAME, wanted=shouted)] == [row["id"]]
    assert await reader.one(BY_ID, thing=UUID(int=9)) is None


@pytest.mark.parametrize("note", [None, [], {}, "text", "[1]", 0, False])
async def test_a_document_is_told_from_none(ground: Ground, note: object) -> None:
    session = ground.open().session(writes=True, deadline=soon())
    await session.run(ADD, **thing(note=note, tm=None, name=None))

    row = await session.one(BY_ID, thing=UUID(int=1))

    assert row
    assert (row["note"], row["tm"], row["name"]) == (note, None, None)


async def test_text_that_nobody_can_have_is_not_found(ground: Ground) -> None:
    session = ground.open().session(writes=False, deadline=soon())

    for wanted in ("a\0b", "x" * 100_000, "%", "\\"):
        assert await session.all(BY_NAME, wanted=wanted) == []


async def test_many_rows_are_one_statement_as_each_would_be_alone(ground: Ground) -> None:
    seen: list[Statement] = []
    session = ground.open(watch=seen.append).session(writes=True, deadline=soon())
    rows = [thing(which, note=None if which == 2 else {"a": which}, name=f"Zoë {which}") for which in range(1, 6)]

    assert await session.run_each(ADD, rows) == 5
    assert await session.run_each(ADD, [thing(6)]) == 1
    assert await session.insert_if_all_new(ADD, [thing(7), thing(8)])
    assert not await session.insert_if_all_new(ADD, [thing(8), thing(9)])
    assert await session.insert_if_new(ADD, **thing(10))
    await session.commit()

    assert len(seen) == 5
    kept = {row["id"].int: row for row in await ground.open().session(writes=False, deadline=soon()).all(ALL)}
    assert {1, 2, 3, 4, 5, 6, 7, 8, 10} <= kept.keys() <= set(range(1, 11))
    assert [kept[which] for which in range(1, 6)] == rows


async def test_one_of_many_that_is_there_already_names_the_rule_it_broke(ground: Ground) -> None:
    session = ground.open().session(writes=True, deadline=soon())
    await session.run(ADD, **thing(1))

    with pytest.raises(Duplicate) as clash:
        await session.run_each(ADD, [thing(2), thing(3, hash="h1"), thing(4)])
    await session.rollback()

    assert clash.value.rule == "hash"
    assert await ground.open().session(writes=False, deadline=soon()).all(ALL) == []


async def test_a_row_that_is_found_counts_whether_it_changes_or_not(ground: Ground) -> None:
    session = ground.open().session(writes=True, deadline=soon())
    for number in (1, 2, 3):
        assert await session.run(ADD, **thing(number)) == 1

    assert await session.run(CHANGE, thing=UUID(int=1), name="other") == 1
    assert await session.run(CHANGE, thing=UUID(int=1), name="other") == 1
    assert await session.run(CHANGE, thing=UUID(int=9), name="other") == 0
    assert await session.run(FORGET) == 3


async def test_nobody_sees_what_is_not_committed_and_everybody_what_is(ground: Ground) -> None:
    one, other = ground.open(), ground.open()
    reader = other.session(writes=False, deadline=soon())
    assert await reader.all(ALL) == []
    writer = one.session(writes=True, deadline=soon())
    await writer.run(ADD, **thing(1))
    assert await reader.all(ALL) == []
    assert len(await writer.all(ALL)) == 1

    await writer.commit()

    assert len(await reader.all(ALL)) == 1
    writer = one.session(writes=True, deadline=soon())
    await writer.run(ADD, **thing(2))
    await writer.rollback()
    assert len(await reader.all(ALL)) == 1
    await reader.commit()


async def test_both_schemas_are_written_by_one_transaction(ground: Ground) -> None:
    database = ground.open()
    for end in ("rollback", "commit"):
        session = database.session(writes=True, deadline=soon())
        await session.run(ADD, **thing(1))
        await session.run(ADD_THEIRS, id="1001", kind="md5")
        await getattr(session, end)()
        counts = [ground.sql(f"SELECT count(*) FROM {name}")[0][0] for name in ("{own}.things", "{asterisk}.ps_things")]
        assert counts == ([1, 1] if end == "commit" else [0, 0])

    assert await database.session(writes=False, deadline=soon()).all(THEIRS) == [{"id": "1001", "kind": "md5"}]


async def test_a_session_goes_on_after_its_end_with_a_new_transaction(ground: Ground) -> None:
    session = ground.open().session(writes=True, deadline=soon())
    await session.run(ADD, **thing(1))
    await session.commit()
    await session.run(ADD, **thing(2))
    await session.rollback()
    await session.rollback()

    assert len(await session.all(ALL)) == 1


async def test_whoever_watches_sees_each_statement_before_it_runs(ground: Ground) -> None:
    seen: list[Statement] = []

    def watch(statement: Statement) -> None:
        seen.append(statement)
        if statement is CHANGE:
            raise RuntimeError("no")

    session = ground.open(watch=watch).session(writes=True, deadline=soon())
    await session.insert_if_new(ADD, **thing(1))
    with pytest.raises(RuntimeError):
        await session.run(CHANGE, thing=UUID(int=1), name="other")
    row = await session.one(BY_ID, thing=UUID(int=1))

    assert seen == [ADD, CHANGE, BY_ID]
    assert row
    assert row["name"] == "name 1"


async def test_of_fifty_who_add_the_same_at_once_one_does(ground: Ground) -> None:
    work = Work(ground.open(), UnitOfWork)

    async def add(number: int) -> bool:
        return await work.write(lambda uow: uow.session.insert_if_new(ADD, **thing(number, hash="same")), patience=20)

    async def insist(number: int) -> str:
        try:
            await work.write(lambda uow: uow.session.run(ADD, **thing(number, owner="p", hash="other")), patience=20)
        except Duplicate as duplicate:
            return duplicate.rule
        return "added"

    added = await asyncio.gather(*map(add, range(50)))
    insisted = await asyncio.gather(*map(insist, range(100, 150)))

    assert sorted(added) == [False] * 49 + [True]
    assert sorted(insisted) == ["added"] + ["hash"] * 49


async def test_no_change_of_many_at_once_is_lost(ground: Ground) -> None:
    work = Work(ground.open(), UnitOfWork)
    await work.write(lambda uow: uow.session.run(ADD, **thing(1)))

    async def raise_it(uow: UnitOfWork) -> None:
        await uow.session.one(LOCK, thing=UUID(int=1))
        row = await uow.session.one(BY_ID, thing=UUID(int=1))
        assert row
        await uow.session.run(COUNT_UP, thing=UUID(int=1))

    await asyncio.gather(*(work.write(raise_it, patience=20) for _ in range(40)))

    assert ground.sql("SELECT count FROM {own}.things") == [(40,)]


async def test_whoever_waits_too_long_for_another_gives_up(ground: Ground) -> None:
    database = ground.open()
    first = database.session(writes=True, deadline=soon())
    await first.run(ADD, **thing(1))
    second = database.session(writes=True, deadline=soon(0.1))

    with pytest.raises(DatabaseUnavailable):
        await second.run(ADD, **thing(1))

    await second.rollback()
    await first.commit()
    third = database.session(writes=True, deadline=soon())
    assert not await third.insert_if_new(ADD, **thing(1))


async def test_whoever_is_cancelled_in_the_middle_leaves_nothing_behind(ground: Ground) -> None:
    database = ground.open(size=2)
    first = database.session(writes=True, deadline=soon())
    await first.run(ADD, **thing(1))
    begun = asyncio.Event()

    async def follow(uow: UnitOfWork) -> None:
        begun.set()
        await uow.session.run(ADD, **thing(1))

    for _ in range(3):
        begun.clear()
        following = asyncio.create_task(Work(database, UnitOfWork).write(follow))
        await begun.wait()
        await asyncio.sleep(0)
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following

    await first.rollback()
    last = database.session(writes=True, deadline=soon())
    assert await last.insert_if_new(ADD, **thing(1))
    await last.commit()
    assert ground.sql("SELECT count(*) FROM {own}.things") == [(1,)]


async def test_somebody_has_a_turn_and_a_file_has_only_one_who_asks(ground: Ground) -> None:
    one, other = ground.open(), ground.open()
    is_file = ground.engine == "sqlite"

    async with one.turn("relay") as first, other.turn("relay") as second, other.turn("reconciler") as third:
        assert (first, second, third) == (True, is_file, True)
        async with one.turn("relay") as again:
            assert again is is_file

    async with other.turn("relay") as second:
        assert second
    with pytest.raises(KeyError):
        async with one.turn("relay"):
            raise KeyError
    async with other.turn("relay") as second, one.turn("relay" * 30) as first:
        assert (first, second) == (True, True)


def test_every_column_is_in_the_row_that_is_tried() -> None:
    assert set(thing()) == set(COLUMNS)
