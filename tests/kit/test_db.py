"""Statements compiled once per engine."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import sqlite

from ringback.kit.columns import Id, Time
from ringback.kit.db import ASTERISK, OWN, Schemas, Statement, among
from ringback.kit.mariadb import MariaDb
from ringback.kit.postgres import Postgres
from ringback.registrar.extensions.store import LISTING as EXTENSIONS
from tests.statements import every_statement

own = Table("own_things", MetaData(schema=OWN), Column("id", Integer, primary_key=True), Column("name", String(9)))
theirs = Table("ps_things", MetaData(schema=ASTERISK), Column("id", Integer, primary_key=True))


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        (Statement(select(own.c.id)), OWN),
        (Statement(select(func.coalesce(func.max(theirs.c.id), 0))), ASTERISK),
        (Statement(select(func.count()).where(exists().where(theirs.c.id > 1))), ASTERISK),
        (Statement(insert(theirs), "id"), ASTERISK),
        (Statement(update(own).where(own.c.id == 1), "name"), OWN),
        (Statement(delete(theirs)), ASTERISK),
    ],
    ids=repr,
)
def test_a_statement_knows_whose_tables_it_speaks_of(statement: Statement, place: str) -> None:
    assert statement.place == place


@pytest.mark.parametrize("core", [select(own.c.id, theirs.c.id), select(1), delete(own).where(exists(theirs.select()))])
def test_a_statement_of_both_places_or_of_none_is_a_mistake(core: object) -> None:
    with pytest.raises(AssertionError, match="speaks of"):
        assert Statement(core).place  # type: ignore[arg-type]


def test_every_statement_of_the_product_has_one_place() -> None:
    found = {name: statement.place for name, statement in every_statement().items()}

    assert len(found) > 80
    assert {place for name, place in found.items() if ".store." in name or ".kit." in name} == {OWN}
    assert found["ringback.sip.asterisk.DROP.ps_aors"] == ASTERISK


def test_room_for_a_list_is_a_power_of_two_and_its_last_value_is_repeated() -> None:
    statement = Statement(select(own.c.name).where(among(own.c.id, "ids"), own.c.name == bindparam("name")))

    def parameters(*ids: int) -> tuple[object, ...]:
        values = {"name": "x", "ids": ids}
        prepared = statement.prepared(DIALECTS["sqlite"], Schemas("main", "main"), values)
        assert prepared.sql.count("?") == len(prepared.parameters(values))
        return prepared.parameters(values)

    assert statement.lists == ("ids",)
    assert parameters(7) == (7, "x")
    assert parameters(7, 8) == (7, 8, "x")
    assert parameters(7, 8, 9) == (7, 8, 9, 9, "x")
    assert len(parameters(*range(500))) == 513
    assert len({len(parameters(*range(size))) for size in range(1, 501)}) == 10, "few are prepared"
    with pytest.raises(AssertionError):
        parameters()


def test_rows_have_the_names_of_columns_and_what_the_driver_gave_as_it_is_read() -> None:
    columns = own.c.id, cast(own.c.name, Id).label('it\'s "so"'), cast(own.c.name, Time).label("at")
    rows = Statement(select(*columns)).prepared(DIALECTS["sqlite"], Schemas("main", "main")).rows

    assert rows([]) == []
    assert rows([(1, b"\1" * 16, "2026-02-11 09:30:00.000001"), (2, None, None)]) == [
        {"id": 1, 'it\'s "so"': UUID("01" * 16), "at": datetime(2026, 2, 11, 9, 30, 0, 1, tzinfo=UTC)},
        {"id": 2, 'it\'s "so"': None, "at": None},
    ]
    with pytest.raises(ValueError, match="values to unpack"):
        rows([(1, None)])


DIALECTS = {"mysql": MariaDb.dialect, "postgresql": Postgres.dialect, "sqlite": sqlite.dialect(paramstyle="qmark")}
FOREIGN_WORDS = {
    "mysql": r"::|\$\d|RETURNING|FOR UPDATE OF|IN \(SELECT[^)]*LIMIT",
    "postgresql": r"::(?!UUID)|%s|\?|RETURNING|'\\\\'",
    "sqlite": r"::|%s|\$\d",
}


@pytest.mark.parametrize("engine", FOREIGN_WORDS)
def test_every_statement_is_spelt_for_every_engine(engine: str) -> None:
    for name, statement in every_statement().items():
        prepared = statement.prepared(
            DIALECTS[engine], Schemas("bin", "theirs"), {name: [None] for name in statement.lists}
        )
        assert not re.search(FOREIGN_WORDS[engine], prepared.sql), name
        assert ("bin." in prepared.sql) is (statement.place == OWN), name
        assert ("theirs." in prepared.sql) is (statement.place == ASTERISK), name


@pytest.mark.contract("registrar R-84")
@pytest.mark.parametrize("engine", DIALECTS)
def test_a_page_that_begins_deep_down_is_read_from_there(engine: str) -> None:
    """MariaDB would begin with the newest row; where something else is asked for, it may choose."""

    def is_forced(*names: str) -> bool:
        page = EXTENSIONS._page_statement(names, deleted=False, before=True, below=True)
        sql = page.prepared(DIALECTS[engine], Schemas("bin", "theirs")).sql
        return "FORCE INDEX (idx_registrar_extensions_page)" in sql

    assert is_forced("customer_id") is (engine == "mysql")
    assert not is_forced("customer_id", "name")


def test_a_statement_is_spelt_for_each_place_that_it_is_run_in() -> None:
    statement = Statement(select(own.c.id))

    spelt = [statement.prepared(MariaDb.dialect, Schemas(name, "x")).sql for name in ("one", "two", "one")]

    assert [name in sql for name, sql in zip(("one.", "two.", "one."), spelt, strict=True)] == [True] * 3
    assert "one." not in spelt[1]
