"""The schema on MariaDB and PostgreSQL: made by migrations, taken back by them, alone, and again after a kill."""

import io
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    CHAR,
    URL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DefaultClause,
    Engine,
    Integer,
    MetaData,
    event,
    insert,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError

from ringback import cli
from ringback.kit.columns import Id, Json, Moment, Time
from ringback.kit.errors import CannotStart
from ringback.migrations import commands
from ringback.migrations.ddl import OPTIONS, RULES
from ringback.schema import ASTERISK_TABLES, OWN_TABLES, ROUTER_TABLES
from ringback.sip.func_odbc import VIEWS as ROUTES
from tests.live.schemas import ENGINES, engine_at, rows_of, run_all, shape_of, url_of
from tests.patience import ENOUGH
from tests.servers.database import Database
from tests.servers.fixtures import MakeDatabase

pytestmark = pytest.mark.process

SEVERAL = 8
VIEWS = ("ringback_directs", *ROUTES)


class Killed(BaseException):
    """What ends an upgrade in the middle."""


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database(make_database: MakeDatabase, engine: str) -> Database:
    return make_database(engine)


@pytest.fixture
def url(database: Database) -> URL:
    return url_of(database)


def upgrade(url: URL) -> None:
    for name in commands.DATABASES:
        commands.upgrade(name, url)


def down(url: URL) -> None:
    for name in commands.DATABASES:
        commands.downgrade(name, url, "base")


def refused(do: Callable[[], object]) -> str:
    with pytest.raises(CannotStart) as error:
        do()
    return str(error.value)


@contextmanager
def dying_at(number: int) -> Iterator[list[str]]:
    """Die before the statement of that number; gives all statements so far."""
    said: list[str] = []

    def watch(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        said.append(statement)
        if len(said) == number:
            raise Killed

    event.listen(Engine, "before_cursor_execute", watch)
    try:
        yield said
    finally:
        event.remove(Engine, "before_cursor_execute", watch)


@pytest.mark.contract("registrar R-82")
def test_up_down_and_up_again_whole_and_step_by_step(url: URL) -> None:
    upgrade(url)
    whole = shape_of(url)
    for name in commands.DATABASES:
        for _ in commands.history(name, url):
            commands.downgrade(name, url, "-1")
        assert commands.current(name, url) is None
    assert shape_of(url) == []
    for name in commands.DATABASES:
        for revision, _ in commands.history(name, url):
            commands.upgrade(name, url, revision)
        assert commands.is_current(name, url)
    assert shape_of(url) == whole
    down(url)
    assert shape_of(url) == []
    upgrade(url)
    assert shape_of(url) == whole


def believed(engine: str) -> MetaData:
    """The code's tables, without what only SQLite needs of Asterisk, and without rules that MySQL spells otherwise."""
    made = MetaData()
    for metadata in (*OWN_TABLES, *ASTERISK_TABLES, *ROUTER_TABLES):
        for table in metadata.tables.values():
            copy = table.to_metadata(made, schema=None)  # type: ignore[arg-type]
            copy.dialect_options["mysql"]._non_defaults.update(
                {k.removeprefix("mysql_"): v for k, v in OPTIONS.items()}
            )
            for column in copy.columns if metadata in ASTERISK_TABLES else ():
                column.server_default = None
                column.nullable = not column.primary_key
            for index in [*copy.indexes] if engine == "mariadb" else ():
                if index.dialect_options["sqlite"]["where"] is not None:
                    copy.indexes.discard(index)
            for rule in [*copy.constraints]:  # a copy forgets that they are of SQLite alone
                if isinstance(rule, CheckConstraint) and "json_valid" in str(rule.sqltext):
                    copy.constraints.discard(rule)
            for column in copy.columns if engine == "mariadb" else ():
                if isinstance(column.type, Moment) and column.server_default is not None:
                    column.server_default = DefaultClause(text("CURRENT_TIMESTAMP(6)"))
    return made


def test_views_that_somebody_has_taken_away_are_made_again(database: Database, url: URL) -> None:
    upgrade(url)
    whole = shape_of(url)
    for view in VIEWS:
        database.execute(f"DROP VIEW {view}")
    assert shape_of(url) != whole

    upgrade(url)

    assert shape_of(url) == whole


@pytest.mark.contract("registrar R-82", "registrar R-85", "router X-1")
def test_the_migrations_make_what_the_code_believes(make_database: MakeDatabase, url: URL, engine: str) -> None:
    upgrade(url)
    other = url_of(make_database(engine))
    believed(engine).create_all(engine_at(other))

    beside = (*VIEWS, "append-only", "_refuse()")  # views and guards, which Core has no words for
    made = [line for line in shape_of(url) if not any(word in line for word in beside)]
    further = sorted(set(made) - set(shape_of(other)))
    assert set(shape_of(other)) <= set(made)
    if engine == "postgresql":
        assert further == []
        return
    live = [eval(line) for line in further]
    tables = ("registrar_directs", "registrar_extensions", "registrar_trunks")
    virtual = ("live", "tinyint(4)", "YES", "NULL", None, "VIRTUAL GENERATED", "if(`tm_delete` is null,1,NULL)")
    rules: dict[str, dict[str, tuple[str, ...]]] = {
        "registrar_directs": {"ux_registrar_directs_extension": ("extension_id", "live")},
        "registrar_extensions": {
            "ux_registrar_extensions_number": ("customer_id", "extension", "live"),
            "ux_registrar_extensions_username": ("customer_id", "username", "live"),
        },
        "registrar_trunks": {"ux_registrar_trunks_domain": ("domain_name", "live")},
    }
    assert [row for row in live if row[1] == "live"] == [(table, *virtual) for table in tables]
    assert [row for row in live if row[1] != "live"] == [
        (table, name, 0, place, column)
        for table, named in rules.items()
        for name, columns in named.items()
        for place, column in enumerate(columns, 1)
    ]


@pytest.mark.contract("registrar R-82")
def test_what_is_printed_makes_the_same_schema(make_database: MakeDatabase, url: URL, engine: str) -> None:
    upgrade(url)
    other, printed = make_database(engine), io.StringIO()
    with redirect_stdout(printed):
        for name in commands.DATABASES:
            commands.upgrade(name, url_of(other), sql=True)
    assert shape_of(url_of(other), whole=True) == []
    lines = [line for line in printed.getvalue().splitlines() if not line.startswith("--")]
    run_all(url_of(other), filter(str.strip, "\n".join(lines).split(";\n")))

    assert shape_of(url_of(other), whole=True) == shape_of(url, whole=True)
    assert all(commands.is_current(name, url_of(other)) for name in commands.DATABASES)


@pytest.mark.contract("registrar R-82")
def test_what_is_killed_in_the_middle_is_completed_by_the_next(make_database: MakeDatabase) -> None:
    url = url_of(make_database("mariadb"))
    with dying_at(0) as up:
        upgrade(url)
    whole = shape_of(url)
    with dying_at(0) as back:
        down(url)
    for number in range(3, len(up), len(up) // 5):
        with dying_at(number), pytest.raises(Killed):
            upgrade(url)
        upgrade(url)
        assert shape_of(url) == whole, f"killed at {number} of {len(up)}: {up[number - 1]}"
        last = number * len(back) // len(up)
        with dying_at(last), pytest.raises(Killed):
            down(url)
        down(url)
        assert shape_of(url) == [], f"killed at {last} of {len(back)}: {back[last - 1]}"


@pytest.mark.contract("registrar R-82")
def test_on_postgresql_what_is_killed_has_never_been(make_database: MakeDatabase) -> None:
    url = url_of(make_database("postgresql"))
    with dying_at(100), pytest.raises(Killed):
        commands.upgrade("bin", url)
    assert shape_of(url, whole=True) == []

    upgrade(url)
    whole = shape_of(url)
    with dying_at(50), pytest.raises(Killed):
        commands.downgrade("bin", url, "base")
    assert shape_of(url) == whole


def test_of_upgrades_at_the_same_time_one_works_and_the_others_find_nothing_to_do(database: Database, url: URL) -> None:
    program = (
        "import sys; from sqlalchemy import make_url; from ringback.migrations import commands;"
        "sys.stdin.readline(); commands.upgrade('bin', make_url(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, database.url]
    several = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for one in several:
        assert one.stdin
        print(file=one.stdin, flush=True)
    said = [one.communicate(timeout=ENOUGH)[1] for one in several]

    assert said == ["", ""]
    assert commands.is_current("bin", url)


def test_names_of_revisions_fit_into_a_version_table_that_alembic_made(database: Database, url: URL) -> None:
    for name in commands.DATABASES:
        table = f"alembic_version_{name}"
        database.execute(f"CREATE TABLE {table} (version_num varchar(32) NOT NULL, PRIMARY KEY (version_num))")
    upgrade(url)

    assert all(commands.is_current(name, url) for name in commands.DATABASES)


@pytest.mark.parametrize(
    ("ddl", "why"),
    [
        ("CREATE TABLE registrar_extensions (id int)", "registrar_extensions is neither.*no column customer_id, ext"),
        ("CREATE TABLE registrar_extensions ({})", "registrar_extensions is neither.*: id is char"),
        ("CREATE TABLE registrar_trunks (id int)", "registrar_trunks is neither.*: it has no column domain_name"),
        ("CREATE TABLE registrar_outbox (id int)", "registrar_outbox is neither.*: it has no column publisher, "),
        ("CREATE TABLE alembic_version_bin (a int)", "alembic_version_bin is not Ringback's"),
        ("CREATE TABLE alembic_version_bin (version_num varchar(9))", "its schema is at strange, which"),
    ],
)
def test_a_database_that_is_not_ours_is_refused(database: Database, url: URL, engine: str, ddl: str, why: str) -> None:
    columns = ("customer_id", "extension", "username")
    database.execute(ddl.format(", ".join(["id char(36)", *(f"{name} varchar(36)" for name in columns)])))
    if "version_num" in ddl:
        database.execute("INSERT INTO alembic_version_bin VALUES ('strange')")
    line = refused(lambda: commands.upgrade("bin", url))

    assert "\n" not in line
    assert re.search(why, line), line
    assert engine != "postgresql" or not any("registrar_customers" in row for row in shape_of(url))


def test_a_bad_place_is_one_line_with_the_setting_and_without_the_password(
    database: Database, url: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {
        url.set(password="Wrong-Pass-0001"): ("denied", "password authentication failed"),
        url.set(database="nowhere"): ("Unknown database", "does not exist"),
        url.set(port=1): ("Connection refused", "Connection refused"),
        url.set(host="nowhere.invalid"): ("nowhere.invalid", "nowhere.invalid"),
    }
    for place, reasons in places.items():
        dsn = place.render_as_string(hide_password=False)
        with pytest.raises(SystemExit) as ended:
            cli.main(["db", "upgrade", "--database_dsn_bin", dsn, "--database_dsn_asterisk", dsn])
        said = capsys.readouterr()
        assert ended.value.code == 2
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert said.err.startswith("ringback: database_dsn_bin: ")
        assert any(reason in said.err for reason in reasons), said.err
        assert str(place.password) not in said.err


def test_missing_rights_are_one_line(database: Database, url: URL, engine: str) -> None:
    user = f"u{uuid4().hex[:12]}"
    if engine == "mariadb":
        database.execute(f"CREATE USER {user}@'%%' IDENTIFIED BY 'Sample-Pass-0001'".replace("%%", "%"))
        database.execute(f"GRANT SELECT ON {database.name}.* TO {user}@'%'")
    else:
        database.execute(f"CREATE USER {user} PASSWORD 'Sample-Pass-0001'")
    line = refused(lambda: upgrade(url.set(username=user, password="Sample-Pass-0001")))

    assert line.startswith(f"database_dsn_bin: the database {database.name} cannot be used: ")
    assert "denied" in line
    assert "Sample-Pass" not in line


def test_two_schemas_of_one_postgresql_keep_apart(make_database: MakeDatabase) -> None:
    database = make_database("postgresql")
    for name in commands.DATABASES:
        database.execute(f'CREATE SCHEMA "{name} of Ours"')
        commands.upgrade(name, url_of(database, f"{name} of Ours"))

    assert shape_of(url_of(database)) == []
    assert len([line for line in shape_of(url_of(database, "asterisk of Ours")) if "ps_" in line]) > 20
    assert not any("ps_" in line for line in shape_of(url_of(database, "bin of Ours")))
    assert "no schema" in refused(lambda: commands.upgrade("bin", url_of(database, "nowhere")))


def some(column: Column[Any]) -> Any:
    """A value that a column takes."""
    if isinstance(column.type, Id):
        return uuid4()
    if isinstance(column.type, Time):
        return datetime(2026, 2, 11, 9, 30, 0, 123456, UTC)
    if isinstance(column.type, Json):
        return ["basic"]
    if isinstance(column.type, CHAR):
        return (uuid4().hex * 2)[: column.type.length]
    if isinstance(column.type, Boolean):
        return True
    return 1 if isinstance(column.type, Integer) else uuid4().hex[:12]


@pytest.mark.contract("registrar R-85")
def test_every_id_finds_its_row_and_every_value_comes_back(url: URL) -> None:
    commands.upgrade("bin", url)
    tables = [table.to_metadata(MetaData(), schema=None) for one in OWN_TABLES for table in one.tables.values()]  # type: ignore[arg-type]
    with engine_at(url).begin() as connection:
        for table in tables:
            rows = [{column.name: some(column) for column in table.columns} for _ in range(2)]
            rows[1] |= {column.name: 2 for column in table.primary_key if isinstance(column.type, BigInteger)}
            connection.execute(insert(table), rows)
            for column in table.columns:
                if isinstance(column.type, Id):
                    for row in rows:
                        found = connection.execute(select(table).where(column == row[column.name])).mappings()
                        assert [dict(one) for one in found] == [row], column


C = UUID(int=1)
NEW = object()
"""A value that nobody else writes."""
WRITTEN: dict[str, tuple[dict[str, Any], ...]] = {
    "ux_registrar_extensions_number": tuple(
        {"customer_id": C, "extension": number, "username": NEW} for number in ("Desk", "desk")
    ),
    "ux_registrar_extensions_username": tuple(
        {"customer_id": C, "extension": NEW, "username": name} for name in ("bo", "BO")
    ),
    "ux_registrar_trunks_domain": ({"domain_name": "Pbx"}, {"domain_name": "pbx"}),
    "ux_registrar_sip_auths_credential": ({"realm": "r", "username": "u"},),
    "ux_registrar_directs_extension": ({"extension_id": C, "hash": NEW},),
    "idx_registrar_directs_hash": ({"extension_id": UUID, "hash": "aaaa"},),
    "ux_registrar_customer_domains_domain_label": ({"domain_label": "l", "realm": NEW},),
    "ux_registrar_customer_domains_realm": ({"domain_label": NEW, "realm": "r"},),
}
"""By rule: rows that it forbids beside each other."""
TABLES = {rule.name: rule.table for rule in RULES}


@pytest.mark.contract("registrar R-82")
def test_of_those_who_write_the_same_past_us_at_the_same_time_one_succeeds(url: URL, engine: str) -> None:
    upgrade(url)
    together = threading.Barrier(SEVERAL)

    def write(rule: str, number: int) -> str:
        """What the engine says; nothing if the row is written."""
        values = WRITTEN[rule][number % len(WRITTEN[rule])]
        key = "customer_id" if "customer_domains" in rule else "id"
        row = {key: uuid4(), **values}
        row = {
            name: uuid4() if value is UUID else uuid4().hex[:12] if value is NEW else value
            for name, value in row.items()
        }
        binds = [value.bytes if isinstance(value, UUID) and engine == "mariadb" else value for value in row.values()]
        together.wait()
        try:
            rows_of(url, f"INSERT INTO {TABLES[rule]} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *binds)
        except IntegrityError as error:
            return str(error.orig)
        return ""

    assert WRITTEN.keys() == TABLES.keys()
    with ThreadPoolExecutor(SEVERAL) as writers:
        for rule in WRITTEN:
            said = list(writers.map(lambda number, rule=rule: write(rule, number), range(SEVERAL)))
            assert (rule, said.count("")) == (rule, 1)
            assert all(rule in answer for answer in said if answer)
