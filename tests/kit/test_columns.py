"""Column types that mean the same on every engine."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Dialect
from sqlalchemy.dialects import mysql, postgresql, sqlite

from ringback.kit.columns import Id, Json, Moment, Time, reader

ID = UUID("3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713")
SQLITE, MYSQL, POSTGRESQL = (dialect() for dialect in (sqlite.dialect, mysql.dialect, postgresql.dialect))


@pytest.mark.contract("registrar R-85")
@pytest.mark.parametrize(
    ("dialect", "type", "stored"),
    [(SQLITE, "BLOB", ID.bytes), (MYSQL, "BINARY(16)", ID.bytes), (POSTGRESQL, "UUID", ID)],
)
def test_a_uuid_is_what_the_contract_says_on_each_engine(dialect: Dialect, type: str, stored: Any) -> None:
    assert Id().compile(dialect) == type
    assert Id().process_bind_param(ID, dialect) == stored
    assert Id().process_result_value(stored, dialect) == ID
    assert Id().process_bind_param(None, dialect) is None


def test_times_are_utc_with_microseconds_and_sort_as_text() -> None:
    moments = [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(999, 1, 1, tzinfo=UTC),
        datetime(2026, 2, 11, 9, 30, tzinfo=UTC),
        datetime(2026, 2, 11, 10, 30, 0, 1, tzinfo=timezone(timedelta(hours=1))),
    ]
    stored = [str(Time().process_bind_param(moment, SQLITE)) for moment in moments]

    assert stored == sorted(stored)
    assert stored[2:] == ["2026-02-11 09:30:00.000000", "2026-02-11 09:30:00.000001"]
    assert [Time().process_result_value(text, SQLITE) for text in stored] == moments
    assert Time().process_bind_param(moments[3], MYSQL) == datetime(2026, 2, 11, 9, 30, 0, 1)
    assert [Time().compile(d) for d in (SQLITE, MYSQL)] == ["TEXT", "DATETIME(6)"]


@pytest.mark.parametrize(("dialect", "type"), [(SQLITE, "TEXT"), (MYSQL, "JSON"), (POSTGRESQL, "JSONB")])
def test_a_document_is_text_to_each_driver_and_none_is_null(dialect: Dialect, type: str) -> None:
    bind, read = Json().bind_processor(dialect), Json().result_processor(dialect, None)
    assert bind
    assert read

    assert Json().compile(dialect) == type
    assert bind(None) is None
    assert bind({"a": ["ü", None]}) == '{"a":["ü",null]}'
    assert read(bind({"a": ["ü", None]})) == {"a": ["ü", None]}
    assert read(bind([])) == []
    assert read("spoilt") == "spoilt"


@pytest.mark.parametrize("type", [Id(), Time(), Moment(), Json()])
@pytest.mark.parametrize("dialect", [SQLITE, MYSQL, POSTGRESQL])
def test_a_value_is_read_as_sqlalchemy_reads_it(type: Any, dialect: Dialect) -> None:
    value: Any = {Id: ID, Json: {"a": 1}}.get(type.__class__, datetime(2026, 2, 11, 9, 30, 0, 1, tzinfo=UTC))
    bind, slow, read = type.bind_processor(dialect), type.result_processor(dialect, None), reader(type, dialect)
    stored = bind(value) if bind else value
    if isinstance(type, Moment) and dialect is POSTGRESQL:
        stored = value.astimezone(timezone(timedelta(hours=1)))

    assert (read(stored) if read else stored) == value == slow(stored)


def test_a_value_that_somebody_spoilt_is_read_as_far_as_it_goes() -> None:
    read_id, read_time = reader(Id(), MYSQL), reader(Time(), MYSQL)
    assert read_id
    assert read_time

    spoilt_ids = (b"", b"short", ID.bytes + b"1", 2 * ID.bytes, str(ID).encode(), str(ID), "3f", 16)
    assert read_id(ID.bytes) == ID
    assert tuple(read_id(value) for value in spoilt_ids) == spoilt_ids
    for spoilt in ("2026-02-11 09:30:00", datetime(2026, 2, 11, 9, 30, tzinfo=timezone(timedelta(hours=1)))):
        assert read_time(spoilt) == datetime(2026, 2, 11, 9, 30, tzinfo=UTC)
