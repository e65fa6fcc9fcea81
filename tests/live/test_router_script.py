"""The router's schema as plain SQL: applied by a real psql, again and again, before migrations and after them."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ringback import cli
from ringback.kit.errors import CannotStart
from ringback.migrations import commands
from tests.house import ROOT
from tests.live.schemas import rows_of, shape_of, url_of
from tests.patience import ENOUGH
from tests.router.conftest import Node
from tests.router.grounds import FIRST, OnServer
from tests.servers.database import Database
from tests.servers.fixtures import MakeDatabase

pytestmark = pytest.mark.process

FILE = ROOT / "sql" / "011_extensions_registry.sql"
ROWS = f"SELECT {FIRST}, enabled, metadata, revision FROM extensions ORDER BY id"
HEAD = "SELECT id, revision, checksum, audit_id, audit_hash FROM registry_revision"
BY_HAND = (
    "UPDATE extensions SET timeout_ms = 90, config = '{}' WHERE id = 'normalize_text'",
    "UPDATE extensions SET deleted_at = now() WHERE id = 'pii_guard'",
    "DELETE FROM extensions WHERE id = 'mock_provider'",
)


@pytest.fixture
def database(make_database: MakeDatabase) -> Database:
    return make_database("postgresql")


def psql(database: Database, file: Path = FILE) -> "subprocess.CompletedProcess[str]":
    """The client that comes with the server, which stops at the first error."""
    program = database.server.program
    command = program.beside(program.path.with_name("psql"))
    words = ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(file), database.url)
    return subprocess.run([*command, *words], capture_output=True, text=True, timeout=ENOUGH, check=False)


def apply(database: Database) -> None:
    done = psql(database)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def everything(database: Database) -> tuple[list[str], list[tuple[Any, ...]]]:
    return everything_but_rows(database), database.execute("SELECT * FROM extensions ORDER BY id")


def everything_but_rows(database: Database) -> list[str]:
    return shape_of(url_of(database), whole=True)


@pytest.mark.contract("router X-2, X-32, F-7")
def test_the_file_makes_what_the_migrations_make_and_a_second_time_changes_nothing(
    database: Database, make_database: MakeDatabase
) -> None:
    migrated = make_database("postgresql")
    commands.upgrade("router", url_of(migrated))
    apply(database)

    assert everything_but_rows(database) == everything_but_rows(migrated)
    assert commands.is_current("router", url_of(database))
    for query in (ROWS, HEAD):
        assert database.execute(query) == migrated.execute(query) != []
    before = everything(database)
    for again in (database, migrated):
        apply(again)
    assert everything(database) == before


@pytest.mark.contract("router X-2, X-3")
def test_rows_that_were_edited_or_deleted_since_stay_so(database: Database) -> None:
    apply(database)
    for statement in BY_HAND:
        database.execute(statement)
    before = everything(database)
    apply(database)
    commands.upgrade("router", url_of(database))

    assert everything(database) == before
    assert [row[0] for row in before[1]] == [
        "anthropic_claude", "mask_sensitive_data", "normalize_text", "openai_gpt4", "pii_guard",
    ]  # fmt: skip


@pytest.mark.contract("router X-3, X-32")
async def test_db_upgrade_takes_it_for_its_own_and_a_node_serves_it(database: Database) -> None:
    apply(database)
    node = Node(ground := OnServer(database), "node0")
    try:
        assert (await node.loader.reload()).ok
        assert sorted(node.registry.snapshot.by_id) == [
            "anthropic_claude", "mask_sensitive_data", "mock_provider", "normalize_text", "openai_gpt4", "pii_guard",
        ]  # fmt: skip
        await node.create("upper")
    finally:
        node.database.close()
        ground.close()
    before = everything(database)
    apply(database)
    assert everything(database) == before


def ringback(*words: str, dsn: str) -> None:
    """A command as an operator runs it, without a terminal."""
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, *(f"--database_dsn_{name}={dsn}" for name in ("bin", "asterisk"))])
    if ended.value.code:
        raise CannotStart(str(ended.value.code))


def test_beside_it_all_other_tables_are_made_without_a_question(database: Database) -> None:
    apply(database)
    ringback("db", "upgrade", dsn=database.dsn)
    before = everything(database)
    ringback("db", "upgrade", dsn=database.dsn)
    ringback("router-control", "migrate", dsn=database.dsn)

    assert everything(database) == before
    assert all(commands.is_current(name, url_of(database)) for name in commands.DATABASES)


def test_tables_of_others_alone_are_asked_about_before_the_router_has_its_own_beside_them(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    database.execute("CREATE TABLE invoices (id int)")
    before = everything_but_rows(database)
    with pytest.raises(CannotStart, match="2"):
        ringback("router-control", "migrate", dsn=database.dsn)
    (line,) = capsys.readouterr().err.splitlines()

    assert line == (
        f"ringback: database_dsn_bin: the database {database.name} holds other tables (invoices) and none of "
        "VoIPbin's or Ringback's: is it the right one? If it is, --force makes ours beside them"
    )
    assert everything_but_rows(database) == before
    ringback("router-control", "migrate", "--force", dsn=database.dsn)
    assert commands.is_current("router", url_of(database))


@pytest.mark.contract("router X-2")
def test_it_goes_on_where_an_older_one_has_ended(database: Database, make_database: MakeDatabase) -> None:
    whole = make_database("postgresql")
    apply(whole)
    commands.upgrade("router", url_of(database), "registry_create_tables")
    apply(database)

    assert everything_but_rows(database) == everything_but_rows(whole)
    assert database.execute(ROWS) == whole.execute(ROWS)


@pytest.mark.contract("router X-32")
@pytest.mark.parametrize(
    ("ddl", "why"),
    [
        ("CREATE TABLE extensions (id text)", 'relation "extensions" already exists'),
        (
            "CREATE TABLE alembic_version_router AS SELECT 'newer' AS version_num",
            "is at newer, which this file does not",
        ),
    ],
)
def test_it_leaves_alone_what_it_does_not_know(database: Database, ddl: str, why: str) -> None:
    database.execute(ddl)
    before = everything_but_rows(database)
    done = psql(database)

    assert done.returncode == 3
    assert why in done.stderr
    assert everything_but_rows(database) == before


@pytest.mark.contract("router X-32")
def test_a_row_of_six_columns_is_enough(database: Database) -> None:
    apply(database)
    database.execute(
        "INSERT INTO extensions (id, type, subject, timeout_ms, retry, config)"
        """ VALUES ('tone', 'validator', 'beamline.ext.validate.tone.v1', 250, 1, '{"threshold": 0.8}')"""
    )
    (row,) = rows_of(url_of(database), "SELECT * FROM extensions WHERE id = 'tone'")

    assert (row["enabled"], row["metadata"], row["revision"], row["share_subject"]) == (True, {}, 1, False)
    assert (row["subject_key"], row["created_by"], row["deleted_at"]) == (row["subject"], None, None)
    assert row["created_at"] == row["updated_at"]
    comments = "SELECT col_description('extensions'::regclass, attnum) FROM pg_attribute WHERE attrelid = "
    assert database.execute("SELECT obj_description('extensions'::regclass)") != [(None,)]
    for column in ("type", "subject", "config", "metadata"):
        assert database.execute(f"{comments}'extensions'::regclass AND attname = '{column}'") != [(None,)]
