"""Every statement of the product on real servers, and every table's ids."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from sqlalchemy import CHAR, URL, Boolean, Float, Insert, Integer, bindparam, insert, select
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BindParameter

from ringback.databases import connect
from ringback.kit.columns import Id, Json, Moment, Time
from ringback.kit.db import Database, Refused, Statement
from ringback.knobs import load
from ringback.migrations import commands
from ringback.schema import OWN_TABLES
from ringback.sip import asterisk
from ringback.sip.tables import MANAGED
from tests.live.schemas import ENGINES, url_of
from tests.servers.fixtures import MakeDatabase
from tests.statements import every_statement

NOW = datetime(2026, 2, 11, 9, 30, 0, 123456, tzinfo=UTC)
TABLES = [table for metadata in OWN_TABLES for table in metadata.sorted_tables]
MADE = {
    **{f"adding.{table}": asterisk.adding(table, ("id", *columns)) for table, columns in MANAGED.items()},
    **{
        f"adding.{table.name}": Statement(
            insert(table), *(column.name for column in table.columns if column is not table.autoincrement_column)
        )
        for table in TABLES
    },
}
"""Statements that stand in no module."""


@pytest.fixture(params=ENGINES)
def urls(request: pytest.FixtureRequest, make_database: MakeDatabase) -> tuple[URL, URL]:
    """Our own database and Asterisk's on one server, made by the migrations."""
    if request.param == "mariadb":
        found = url_of(make_database("mariadb")), url_of(make_database("mariadb"))
    else:
        database = make_database("postgresql")
        for schema in ("bin", "asterisk"):
            database.execute(f"CREATE SCHEMA {schema}")
        found = url_of(database, "bin"), url_of(database, "asterisk")
    for name, url in zip(commands.DATABASES[:2], found, strict=True):
        commands.upgrade(name, url)
    commands.upgrade("router", found[0])
    return found


@pytest.fixture
async def database(urls: tuple[URL, URL], tmp_path: Path) -> AsyncIterator[Database]:
    own, theirs = (url.render_as_string(hide_password=False) for url in urls)
    opened = await connect(load({"database_dsn_bin": own, "database_dsn_asterisk": theirs, "ringback_home": tmp_path}))
    yield opened.database
    opened.database.close()
    await asyncio.sleep(0)


FITTING: Final = {"type": "pre", "timeout_ms": 50, "breaker_override": "open", "extension_id": "pii_guard"}
"""Values of columns that take only some."""


def plausible(column: Any) -> Any:
    """A value of its type, that fits."""
    if isinstance(column.type, Id):
        return uuid4()
    if column.key in FITTING:
        return FITTING[column.key]
    if isinstance(column.type, Time | Moment):
        return NOW
    if isinstance(column.type, Json):
        return ["x"]
    if isinstance(column.type, Boolean):
        return True
    if isinstance(column.type, Integer | Float):
        return column.type.python_type(1)
    return "x" * ((column.type.length if isinstance(column.type, CHAR) else None) or 5)


def values_of(statement: Statement) -> dict[str, Any]:
    """Something for each of its places."""
    core: Any = statement.core
    given = {name: plausible(core.table.columns[name]) for name in statement.columns}
    for part in visitors.iterate(core):
        if isinstance(part, BindParameter) and part.required:
            one = 7 if part.key == "size" else plausible(part)
            given[part.key] = [one] * 3 if part.expanding else one
    return given


def is_numbered(statement: Statement) -> bool:
    """Whether the engine gives each row a number of its own, so that no two are the same."""
    core: Any = statement.core
    key = core.table.autoincrement_column
    return key is not None and key.name not in statement.columns


@pytest.mark.process
async def test_every_statement_runs_on_every_engine(database: Database) -> None:
    statements = {**every_statement(), **MADE}
    refused = {}
    for name, statement in statements.items():
        session = database.session(writes=True, deadline=asyncio.get_running_loop().time() + 10)
        values = values_of(statement)
        try:
            if isinstance(statement.core, Insert):
                assert await session.insert_if_new(statement, **values)
                assert await session.insert_if_new(statement, **values) is is_numbered(statement)
            else:
                await session.all(statement, **values)
        except Refused as error:
            refused[name] = str(error)
        finally:
            await session.rollback()

    assert refused == {}
    assert len(statements) > 100


@pytest.mark.process
@pytest.mark.contract("registrar R-85")
async def test_a_row_is_found_by_each_of_its_ids(database: Database) -> None:
    keys = [column for table in TABLES for column in table.columns if isinstance(column.type, Id)]
    session = database.session(writes=True, deadline=asyncio.get_running_loop().time() + 20)
    for table in TABLES:
        values = values_of(MADE[f"adding.{table.name}"])
        await session.run(MADE[f"adding.{table.name}"], **values)
        for key in (column for column in keys if column.table is table):
            look = Statement(select(table).where(key == bindparam("wanted")))
            found = await session.all(look, wanted=values[key.name])
            assert [{name: row[name] for name in values} for row in found] == [values]
    await session.rollback()

    assert len(keys) > 15
