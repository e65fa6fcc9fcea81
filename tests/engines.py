"""A database of each engine with a few tables, to try on it what every `Database` and `Session` must do."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from ringback.kit.columns import Id, Json, Time
from ringback.kit.db import ASTERISK, OWN, Database, Schemas, Statement
from ringback.kit.dsn import parse_dsn
from ringback.kit.lookups import Lookup
from ringback.kit.remote import RemoteDatabase
from ringback.kit.sqlite import SqliteDatabase
from tests.servers.database import DatabaseServer

SERVERS: Final = [pytest.param(name, marks=pytest.mark.process) for name in ("mariadb", "postgresql")]
ENGINES: Final = ["sqlite", *SERVERS]
WORDS: Final = {
    "sqlite": {"id": "BLOB", "json": "TEXT", "time": "TEXT"},
    "mariadb": {"id": "BINARY(16)", "json": "JSON", "time": "DATETIME(6)"},
    "postgresql": {"id": "UUID", "json": "JSONB", "time": "TIMESTAMP(6)"},
}

metadata = MetaData(schema=OWN)
things = Table(
    "things",
    metadata,
    Column("id", Id, primary_key=True),
    Column("owner", String(40)),
    Column("number", String(40)),
    Column("name", String(255)),
    Column("hash", String(40), nullable=False),
    Column("note", Json),
    Column("tm", Time),
    Column("count", BigInteger),
    Column("tm_delete", Time),
    Index("ux_things_number", "owner", "number", unique=True),
    Index("idx_things_hash", "hash", unique=True),
)
Index(
    "ux_things_folded", things.c.owner, func.lower(things.c.name), unique=True, sqlite_where=text("tm_delete IS NULL")
)
theirs = MetaData(schema=ASTERISK)
ps_things = Table("ps_things", theirs, Column("id", String(40), primary_key=True), Column("kind", String(9)))

COLUMNS: Final = tuple(column.name for column in things.columns)
IS_THING: Final = things.c.id == bindparam("thing")
ADD = Statement(insert(things), *COLUMNS)
ALL = Statement(select(things).order_by(things.c.id))
BY_ID = Lookup(select(things), things.c.id, "thing")
LOCK = Statement(select(things.c.id).where(IS_THING).with_for_update())
BY_NAME = Statement(select(things.c.id).where(func.lower(things.c.name) == func.lower(bindparam("wanted"))))
CHANGE = Statement(update(things).where(IS_THING), "name")
COUNT_UP = Statement(update(things).where(IS_THING).values(count=things.c.count + 1))
FORGET = Statement(delete(things))
ADD_THEIRS = Statement(insert(ps_things), "id", "kind")
THEIRS = Statement(select(ps_things).order_by(ps_things.c.id))
NO_COLUMN = Statement(select(Table("things", MetaData(schema=OWN), Column("nothing", String(1))).c.nothing))


def thing(which: int = 1, **more: object) -> dict[str, object]:
    """A row that breaks no rule beside those of other numbers."""
    given = {
        "id": UUID(int=which),
        "owner": "o",
        "number": f"n{which}",
        "name": f"name {which}",
        "hash": f"h{which}",
    }
    now = datetime(2026, 2, 11, 9, 30, 0, 123456, tzinfo=UTC)
    return {**dict.fromkeys(COLUMNS), "note": {"a": [which]}, "tm": now, "count": 0, **given, **more}


def soon(seconds: float = 10) -> float:
    return asyncio.get_running_loop().time() + seconds


class Ground:
    """Somewhere on an engine where the tables are; `open` opens it once more."""

    def __init__(self, engine: str, where: Path | DatabaseServer, own: str, asterisk: str) -> None:
        self.engine = engine
        self.where = where
        self.own = own
        self.asterisk = asterisk
        self.opened: list[Database] = []

    def open(self, *, size: int = 10, timeout: float = 5, watch: Callable[[Statement], None] | None = None) -> Database:
        """A database object of one's own, as another process would have it."""
        if isinstance(self.where, Path):
            self.opened.append(SqliteDatabase(self.where, metadata, theirs, watch=watch))
        else:
            self.opened.append(self.remote(size=size, timeout=timeout, watch=watch))
        return self.opened[-1]

    def remote(self, *, size: int = 10, timeout: float = 5, **more: Any) -> RemoteDatabase:
        """The same on a server, to be closed by the caller."""
        from ringback.kit.mariadb import MariaDb
        from ringback.kit.postgres import Postgres

        assert isinstance(self.where, DatabaseServer)
        kind, name = (MariaDb, self.own) if self.engine == "mariadb" else (Postgres, "")
        engine = kind(parse_dsn(self.where.url(name)), timeout)
        return RemoteDatabase(
            engine, Schemas(self.own, self.asterisk), metadata, theirs, size=size, timeout=timeout, **more
        )

    def sql(self, words: str) -> list[tuple[Any, ...]]:
        """What somebody else says there; `{own}` and `{asterisk}` stand for the schemas."""
        words = words.format(own=self.own, asterisk=self.asterisk)
        if isinstance(self.where, DatabaseServer):
            return self.where.execute(words)
        with closing(sqlite3.connect(self.where)) as connection, connection:
            return connection.execute(words).fetchall()

    async def close(self) -> None:
        """All that was opened here."""
        for database in self.opened:
            database.close()
        await asyncio.sleep(0)  # the loop closes sockets in its next round

    def make(self) -> None:
        """The tables, as migrations would spell them."""
        for statement in schema(self.engine):
            self.sql(statement)


def schema(engine: str) -> Iterator[str]:
    words = WORDS[engine]
    live = ", live TINYINT AS (IF(tm_delete IS NULL, 1, NULL))" if engine == "mariadb" else ""
    yield (
        f"CREATE TABLE {{own}}.things (id {words['id']} PRIMARY KEY, owner VARCHAR(40), number VARCHAR(40),"
        f" name VARCHAR(255), hash VARCHAR(40) NOT NULL, note {words['json']}, tm {words['time']}, count BIGINT,"
        f" tm_delete {words['time']}{live})"
    )
    table = "things" if engine == "sqlite" else "{own}.things"
    folded = "(owner, name, live)" if engine == "mariadb" else "(owner, lower(name)) WHERE tm_delete IS NULL"
    yield f"CREATE UNIQUE INDEX ux_things_number ON {table} (owner, number)"
    yield f"CREATE UNIQUE INDEX idx_things_hash ON {table} (hash)"
    yield f"CREATE UNIQUE INDEX ux_things_folded ON {table} {folded}"
    if engine == "postgresql":
        yield "CREATE TYPE {asterisk}.kind AS ENUM ('md5', 'userpass')"
    kind = {"sqlite": "VARCHAR(9)", "mariadb": "ENUM('md5', 'userpass')", "postgresql": "{asterisk}.kind"}[engine]
    yield f"CREATE TABLE {{asterisk}}.ps_things (id VARCHAR(40) PRIMARY KEY, kind {kind})"


@asynccontextmanager
async def ground_on(server: DatabaseServer) -> AsyncIterator[Ground]:
    """Two databases on a MariaDB, or two schemas on a PostgreSQL."""
    is_mariadb = server.url().startswith("mysql")
    kind, more, end = ("DATABASE", " CHARACTER SET utf8mb4", "") if is_mariadb else ("SCHEMA", "", " CASCADE")
    name = f"t{uuid4().hex[:12]}"
    made = Ground("mariadb" if is_mariadb else "postgresql", server, f"{name}_own", f"{name}_asterisk")
    try:
        made.sql(f"CREATE {kind} {{own}}{more}")
        made.sql(f"CREATE {kind} {{asterisk}}{more}")
        made.make()
        yield made
    finally:
        await made.close()
        made.sql(f"DROP {kind} IF EXISTS {{own}}{end}")
        made.sql(f"DROP {kind} IF EXISTS {{asterisk}}{end}")


@asynccontextmanager
async def ground_in(folder: Path) -> AsyncIterator[Ground]:
    """A file."""
    made = Ground("sqlite", folder / "things.db", "main", "main")
    made.make()
    yield made
    await made.close()
