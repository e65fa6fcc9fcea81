"""The SQLite engine."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Index, MetaData, String, Table, bindparam, func, insert, select, text, update

from ringback.kit.columns import Json
from ringback.kit.db import OWN, Duplicate, Statement, StillRead
from ringback.kit.errors import CannotStart, DatabaseUnavailable
from ringback.kit.sqlite import SqliteDatabase

metadata = MetaData(schema=OWN)
things = Table(
    "things",
    metadata,
    Column("id", String(9), primary_key=True),
    Column("owner", String(9)),
    Column("number", String(9)),
    Column("name", String(9)),
    Column("hash", String(9), nullable=False),
    Column("note", Json),
    Index("ux_things_number", "owner", "number", unique=True),
    Index("idx_things_hash", "hash", unique=True),
)
Index("ux_things_folded", things.c.owner, func.lower(things.c.name), unique=True, sqlite_where=text("note IS NULL"))
ADD = Statement(insert(things), "id", "owner", "number", "name", "hash", "note")
ALL = Statement(select(things).order_by(things.c.id))
BY_ID = Statement(select(things.c.note).where(things.c.id == bindparam("thing")))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    path = tmp_path / "things.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE things (id PRIMARY KEY, owner, number, name, hash NOT NULL, note)")
        made.execute("CREATE UNIQUE INDEX ux_things_number ON things (owner, number)")
        made.execute("CREATE UNIQUE INDEX idx_things_hash ON things (hash)")
        made.execute("CREATE UNIQUE INDEX ux_things_folded ON things (owner, lower(name)) WHERE note IS NULL")
    made.close()
    database = SqliteDatabase(path, metadata)
    yield database
    database.close()


def soon(seconds: float = 0.05) -> float:
    return asyncio.get_running_loop().time() + seconds


def thing(**more: object) -> dict[str, object]:
    return {"id": "1", "owner": "o", "number": "n", "name": "a", "hash": "h", "note": None, **more}


@pytest.mark.parametrize(
    ("second", "rule"),
    [
        (thing(number="2", hash="2", name="b"), "id"),
        (thing(id="2", hash="2", name="b"), "number"),
        (thing(id="2", number="2", name="A", hash="2"), "folded"),
        (thing(id="2", number="2", name="b"), "hash"),
    ],
    ids=["primary key", "columns", "expression", "one column"],
)
async def test_a_duplicate_names_the_rule_it_broke(
    database: SqliteDatabase, second: dict[str, object], rule: str
) -> None:
    session = database.session(writes=True, deadline=soon(5))
    await session.run(ADD, **thing())

    with pytest.raises(Duplicate) as caught:
        await session.run(ADD, **second)

    assert caught.value.rule == rule
    assert not await session.insert_if_new(ADD, **second)
    assert await session.insert_if_new(ADD, **thing(id="3", number="3", hash="3", note={"a": [1]}))
    await session.commit()
    reader = database.session(writes=False, deadline=soon(5))
    assert [row["id"] for row in await reader.all(ALL)] == ["1", "3"]
    assert await reader.one(BY_ID, thing="3") == {"note": {"a": [1]}}
    assert await reader.one(BY_ID, thing="9") is None


async def test_another_broken_rule_is_no_duplicate(database: SqliteDatabase) -> None:
    session = database.session(writes=True, deadline=soon(5))
    with pytest.raises(sqlite3.IntegrityError):
        await session.insert_if_new(ADD, **thing(hash=None))
    await session.rollback()


async def test_writers_take_turns_and_one_that_waits_too_long_gives_up(database: SqliteDatabase) -> None:
    first, second = (database.session(writes=True, deadline=soon()) for _ in range(2))
    await first.run(ADD, **thing())

    with pytest.raises(DatabaseUnavailable):
        await second.run(ADD, **thing())

    await second.rollback()
    await first.rollback()
    third = database.session(writes=True, deadline=soon(5))
    await third.run(ADD, **thing())
    await third.commit()
    assert len(await database.session(writes=False, deadline=soon(5)).all(ALL)) == 1


async def test_a_writer_holds_the_file_from_its_first_look_at_it(database: SqliteDatabase) -> None:
    other = sqlite3.connect(database.path, timeout=0, isolation_level=None)
    session = database.session(writes=True, deadline=soon(5))
    await session.all(ALL)

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")

    await session.rollback()
    other.execute("BEGIN IMMEDIATE")
    other.close()


async def test_a_writer_elsewhere_is_waited_for(database: SqliteDatabase) -> None:
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    session = database.session(writes=True, deadline=soon(5))
    writing = asyncio.create_task(session.run(ADD, **thing()))
    await asyncio.sleep(0)
    assert not writing.done()
    other.execute("COMMIT")
    other.close()

    assert await writing == 1
    await session.commit()


async def test_the_revision_changes_with_everybodys_commits_and_not_with_reading(database: SqliteDatabase) -> None:
    before = database.revision()
    await database.session(writes=False, deadline=soon(5)).all(ALL)
    assert database.revision() == before
    session = database.session(writes=True, deadline=soon(5))
    await session.run(ADD, **thing())
    assert database.revision() == before
    await session.commit()
    ours = database.revision()
    assert ours != before
    with sqlite3.connect(database.path) as other:
        other.execute("DELETE FROM things")
    other.close()
    assert database.revision() != ours


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "ringback.db"
    path.write_bytes(b"hello" * 1000)

    with pytest.raises(CannotStart, match=r"ringback\.db cannot be used: file is not a database"):
        SqliteDatabase(path, metadata)
    with pytest.raises(CannotStart, match="cannot be used: unable to open"):
        SqliteDatabase(tmp_path / "no" / "folder.db", metadata)


async def test_nothing_that_was_overwritten_is_left_in_the_files_or_it_is_said(database: SqliteDatabase) -> None:
    def is_there() -> bool:
        files = database.path.parent.glob(f"{database.path.name}*")
        return any(b"overwritten-thing" in file.read_bytes() for file in files)

    with sqlite3.connect(database.path) as other:
        other.execute("INSERT INTO things (id, hash) VALUES ('1', 'overwritten-thing')")
    other.execute("BEGIN")
    other.execute("SELECT * FROM things").fetchall()
    session = database.session(writes=True, deadline=asyncio.get_running_loop().time() + 2)
    await session.run(Statement(update(things), "hash"), hash="x")
    await session.commit()

    with pytest.raises(StillRead):
        await database.compact(patience=0.02)

    assert is_there()
    other.rollback()
    await database.compact()
    assert not is_there()
    other.close()
