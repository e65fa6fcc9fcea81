"""The schema: made by migrations, taken back by them, and the same as the code believes."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL, MetaData, create_engine, inspect, pool

from ringback import cli
from ringback.kit.columns import Id
from ringback.kit.errors import CannotStart
from ringback.migrations import commands
from ringback.schema import ASTERISK_TABLES, OWN_TABLES, ROUTER_TABLES
from tests.house import ROOT


def url(path: Path) -> URL:
    return URL.create("sqlite", database=str(path))


@pytest.mark.long
def test_up_down_and_up_again_leaves_the_schema_as_it_was(tmp_path: Path) -> None:
    at = url(tmp_path / "ringback.db")
    engine = create_engine(at, poolclass=pool.NullPool)

    def everything() -> set[str]:
        found = inspect(engine)
        return {*found.get_table_names(), *found.get_view_names()} - {
            f"alembic_version_{name}" for name in commands.DATABASES
        }

    for name in commands.DATABASES:
        commands.upgrade(name, at)
    first = everything()
    for name in commands.DATABASES:
        commands.downgrade(name, at, "base")
        assert commands.current(name, at) is None
    assert everything() == set()
    for name in commands.DATABASES:
        commands.upgrade(name, at)
        assert commands.is_current(name, at)
    assert everything() == first


def test_a_revision_has_the_name_of_its_file_and_the_last_file_is_the_head() -> None:
    for name in commands.DATABASES:
        scripts = ScriptDirectory(str(commands.HERE / name))
        files = [Path(script.path).stem for script in scripts.walk_revisions()]

        assert [
            f"{len(files) - number:03}_{one.revision}" for number, one in enumerate(scripts.walk_revisions())
        ] == files
        assert commands.head(name) == scripts.get_current_head()


def test_a_table_of_versions_that_names_two_is_refused_in_one_line(tmp_path: Path) -> None:
    at = url(tmp_path / "ringback.db")
    commands.upgrade("asterisk", at)
    with sqlite3.connect(tmp_path / "ringback.db") as file:
        file.execute("INSERT INTO alembic_version_asterisk VALUES ('another')")
    file.close()

    with pytest.raises(CannotStart, match="alembic_version_asterisk names more than one revision"):
        commands.current("asterisk", at)


def shape_of(path: Path) -> dict[str, list[Any]]:
    """Every table's columns, checks and foreign keys, and every index, as SQLite tells them."""
    engine = create_engine(url(path), poolclass=pool.NullPool)
    with sqlite3.connect(path) as file:
        names = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        tables: dict[str, list[Any]] = {
            name: [
                *sorted(row[1:] for row in file.execute(f"PRAGMA table_xinfo({name})")),
                *sorted(str(check) for check in inspect(engine).get_check_constraints(name)),
                *inspect(engine).get_foreign_keys(name),
            ]
            for name in names
        }
        indexes = file.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL")
        tables["indexes"] = sorted(tuple(" ".join(text.split()) for text in row) for row in indexes)
    file.close()
    return {name: rows for name, rows in tables.items() if not name.startswith("alembic_version")}


@pytest.mark.contract("router X-1")
def test_the_migrations_make_what_the_code_believes(template: Path, tmp_path: Path) -> None:
    believed = MetaData()
    for metadata in (*OWN_TABLES, *ASTERISK_TABLES, *ROUTER_TABLES):
        for table in metadata.tables.values():
            table.to_metadata(believed, schema=None)  # type: ignore[arg-type]
    engine = create_engine(url(tmp_path / "believed.db"), poolclass=pool.NullPool)
    believed.create_all(engine)

    assert shape_of(template) == shape_of(tmp_path / "believed.db")


@pytest.mark.contract("registrar R-85")
def test_every_uuid_column_has_the_one_uuid_type() -> None:
    for metadata in OWN_TABLES:
        for table in metadata.tables.values():
            for column in table.columns:
                is_id = column.name == "id" or column.name.endswith("_id")
                others = (
                    {
                        "registrar_outbox.id",
                        "ringback_channel_events.id",
                        "registrar_stale_keys.id",
                        "registrar_strays.row_id",
                    }
                    | {
                        "ringback_audit.id",
                        "ringback_audit.request_id",
                    }
                    | {f"registrar_contact_states.{name}" for name in ("id", "call_id")}
                )
                named = column.name in ("endpoint_id", "aor_id", "auth_id") or f"{table.name}.{column.name}" in others
                assert isinstance(column.type, Id) == (is_id and not named), (table.name, column.name)


def test_each_revision_can_be_printed_as_sql(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in commands.DATABASES:
        commands.upgrade(name, url(tmp_path / "none.db"), sql=True)
    printed = capsys.readouterr().out

    assert "CREATE TABLE registrar_extensions" in printed
    assert "CREATE TABLE ps_contacts" in printed
    assert not (tmp_path / "none.db").exists()


def router_control(home: Path, *words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.router_control([*words, "--ringback_home", str(home)])
    assert ended.value.code == 0


@pytest.mark.contract("router X-32")
def test_the_sql_of_the_router_is_what_its_command_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = ROOT / "sql" / "011_extensions_registry.sql"
    router_control(tmp_path / "none", "migrate", "--sql")

    again = "rewrite it: .venv/bin/router-control migrate --sql > sql/011_extensions_registry.sql"
    assert file.read_text() == capsys.readouterr().out, again
    assert not (tmp_path / "none").exists()


def rows(home: Path) -> list[Any]:
    with sqlite3.connect(home / "ringback.db") as file:
        found = [
            *file.execute("SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2"),
            *file.execute("SELECT * FROM extensions ORDER BY id"),
            *file.execute("SELECT * FROM registry_revision"),
        ]
    file.close()
    return found


@pytest.mark.long
@pytest.mark.contract("router X-2, X-3, F-7")
def test_the_tables_of_the_router_are_made_once_and_what_was_done_to_their_rows_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    router_control(tmp_path, "migrate")
    first = rows(tmp_path)
    router_control(tmp_path, "migrate")
    assert rows(tmp_path) == first
    told = f"bin: {commands.head('bin')}\nrouter: {commands.head('router')}\n"
    assert capsys.readouterr().out == told * 2

    with sqlite3.connect(tmp_path / "ringback.db") as file:
        file.execute("UPDATE extensions SET timeout_ms = 90 WHERE id = 'normalize_text'")
        file.execute("UPDATE extensions SET deleted_at = '2026-01-05T10:00:00.000000Z' WHERE id = 'pii_guard'")
        file.execute("DELETE FROM extensions WHERE id = 'mock_provider'")
    file.close()
    changed = rows(tmp_path)
    router_control(tmp_path, "migrate")

    assert len(changed) == len(first) - 1
    assert rows(tmp_path) == changed


@pytest.mark.contract("router X-3")
def test_an_initial_row_that_was_there_before_does_not_come_again_with_its_step(tmp_path: Path) -> None:
    router_control(tmp_path, "migrate")
    with sqlite3.connect(tmp_path / "ringback.db") as file:
        file.execute("DELETE FROM extensions WHERE id IN ('mock_provider', 'pii_guard')")
        columns = "extension_id, revision, registry_revision, action, document, checksum, created_at, created_by"
        file.execute(f"INSERT INTO extension_revisions ({columns}) VALUES ('pii_guard', 2, 9, 'x', '{{}}', '', '', '')")
    file.close()
    at = url(tmp_path / "ringback.db")
    commands.downgrade("router", at, "registry_create_tables")
    commands.upgrade("router", at)

    assert [row[0] for row in rows(tmp_path) if row[0] in ("mock_provider", "pii_guard")] == ["mock_provider"]
