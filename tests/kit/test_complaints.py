"""What a driver's error means, engine by engine."""

import struct

import pytest
from asyncmy.errors import DataError, InterfaceError, InternalError, MySQLError, OperationalError
from psycopg import OperationalError as NoAnswer
from psycopg import ProgrammingError
from psycopg.errors import lookup

from ringback.kit.db import Absent, Conflict, Duplicate, Refused, Statement
from ringback.kit.dsn import parse_dsn
from ringback.kit.link import Busy, Forbidden, Lost
from ringback.kit.mariadb import MariaDb, lock_name, tls
from ringback.kit.postgres import Postgres, lock_number, without_nul
from tests.engines import ADD, ALL

MARIADB = MariaDb(parse_dsn("root@tcp(db)/x"), 2)
POSTGRES = Postgres(parse_dsn("postgresql://db/x"), 2)


@pytest.mark.parametrize(
    ("number", "state", "meaning"),
    [
        *((number, "40001", Conflict) for number in (1213, 1020, 1615)),
        *((number, "HY000", Busy) for number in (1205, 1969, 3024, 1317, 1021, 1114, 1040, 1203, 1226)),
        *((number, "42000", Forbidden) for number in (1044, 1142, 1143, 1227)),
        *((1049, "42000", Busy), (1045, "28000", Busy)),
        *((number, "42000", Refused) for number in (1064, 1235)),
        *((1054, "42S22", Refused), (1146, "42S02", Absent), (1406, "22001", Refused), (1048, "23000", Refused)),
        *((1264, "22003", Refused), (1265, "01000", Refused), (1366, "HY000", Refused), (4025, "23000", Refused)),
        (1644, "45000", Refused),  # a trigger's own
        *((1290, "HY000", Lost), (1792, "25006", Lost), (1836, "HY000", Lost)),
        *((number, "08S01", Lost) for number in (1047, 1053, 1077, 1152)),
        *((2006, "", Lost), (2013, "", Lost), (2003, "", Lost), (1927, "70100", Lost), (9999, "HY000", Lost)),
    ],
)
def test_a_number_of_mariadb(number: int, state: str, meaning: type[Exception]) -> None:
    error = OperationalError(number, "Sample-Marker")
    error.sqlstate = state

    found = MARIADB.complaint(error, ALL)

    assert type(found) is meaning
    assert "Sample-Marker" not in str(found)


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (InterfaceError(0, "Not connected"), Lost),
        (InternalError("Packet sequence number wrong - got 1 expected 2"), Lost),
        (MySQLError(), Lost),
        (ConnectionResetError(), Lost),
        (EOFError(), Lost),
        (AttributeError("'NoneType' object has no attribute 'readexactly'"), Lost),
        (struct.error("unpack requires a buffer of 4 bytes"), Lost),
        (DataError(1406, "x"), Lost),
        (TypeError("x"), TypeError),
    ],
    ids=repr,
)
def test_what_mariadb_did_not_say_is_a_lost_connection_or_our_mistake(
    error: Exception, meaning: type[Exception]
) -> None:
    assert type(MARIADB.complaint(error, None)) is meaning


@pytest.mark.parametrize(
    ("text", "statement", "rule"),
    [
        ("Duplicate entry 'x' for key 'ux_things_number'", ADD, "number"),
        ("Duplicate entry 'x' for key 'things.ux_things_number'", ADD, "number"),
        ("Duplicate entry 'for key 'hash'' for key 'idx_things_hash'", ADD, "hash"),
        ("Duplicate entry 'x-y' for key 'PRIMARY'", ADD, "id"),
        ("Duplicate entry 'x' for key 'things.PRIMARY'", ADD, "id"),
        ("Duplicate entry 'x' for key 'other'", None, "other"),
        ("", ADD, ""),
    ],
)
def test_mariadb_names_the_index_at_the_end(text: str, statement: Statement | None, rule: str) -> None:
    found = MARIADB.complaint(OperationalError(1062, text), statement)

    assert isinstance(found, Duplicate)
    assert found.rule == rule


@pytest.mark.parametrize(
    ("states", "meaning"),
    [
        (("40001", "40P01"), Conflict),
        (("55P03", "57014", "53100", "53200", "53300", "28P01", "28000", "3D000", "3F000"), Busy),
        (("42501",), Forbidden),
        (("22001", "22003", "22P02", "22P05", "23502", "23514", "42703", "42601", "25P02", "21000"), Refused),
        (("42P01",), Absent),
        (("P0001",), Refused),  # a trigger's own
        (("25006", "57P01", "57P02", "57P03", "08006", "0A000", "XX000", "25P03", "58030", "40003"), Lost),
    ],
)
def test_a_state_of_postgresql(states: tuple[str, ...], meaning: type[Exception]) -> None:
    found = {state: POSTGRES.complaint(lookup(state)("Sample-Marker"), ALL) for state in states}

    assert {type(complaint) for complaint in found.values()} == {meaning}
    assert "Sample-Marker" not in "".join(map(str, found.values()))


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (NoAnswer("the connection is closed"), Lost),
        (ConnectionResetError(), Lost),
        (ProgrammingError("cannot adapt type"), Refused),
        (TypeError("x"), TypeError),
    ],
    ids=repr,
)
def test_what_postgresql_did_not_say(error: Exception, meaning: type[Exception]) -> None:
    assert type(POSTGRES.complaint(error, None)) is meaning


def test_a_lock_has_a_name_that_the_engine_takes_and_nobody_else_has() -> None:
    names = ["bin.relay", "bin.reconciler", "x" * 64, "x" * 65, "x" * 66]

    assert [lock_name(name) for name in names[:3]] == names[:3]
    assert {len(lock_name(name)) for name in names[3:]} == {64}
    assert len({lock_name(name) for name in names}) == len({lock_number(name) for name in names}) == 5
    assert all(-(2**63) <= lock_number(name) < 2**63 for name in names)


def test_a_link_is_encrypted_as_the_url_says() -> None:
    assert tls(parse_dsn("root@tcp(db)/x")) is None
    assert tls(parse_dsn("root@tcp(db)/x?tls=skip-verify")) == {"check_hostname": False}
    checked = tls(parse_dsn("mysql://root@db/x?ssl_ca=/ca.pem"))
    assert checked == {"ca": "/ca.pem", "check_hostname": True}


def test_text_is_looked_for_without_what_postgresql_cannot_hold() -> None:
    assert [without_nul(value) for value in ("a\0b", b"\0", None, 7)] == ["a\ufffdb", b"\0", None, 7]
