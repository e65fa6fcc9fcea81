"""The schema: made by migrations, taken back by them, and the same as the code believes."""

import sqlite3
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import URL, MetaData, create_engine, inspect, pool

from ringback.kit.columns import Id
from ringback.kit.errors import CannotStart
from ringback.migrations import commands
from ringback.schema import ASTERISK_TABLES, OWN_TABLES, ROUTER_TABLES


def url(path: Path) -> URL:
    return URL.create("sqlite", database=str(path))


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


def shape_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every table's columns, and every index, as SQLite tells them."""
    with sqlite3.connect(path) as file:
        names = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        tables = {name: sorted(row[1:] for row in file.execute(f"PRAGMA table_info({name})")) for name in names}
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
                others = {"registrar_outbox.id", "registrar_stale_keys.id", "registrar_strays.row_id"} | {
                    f"registrar_contact_states.{name}" for name in ("id", "call_id")
                }
                named = column.name in ("endpoint_id", "aor_id", "auth_id") or f"{table.name}.{column.name}" in others
                assert isinstance(column.type, Id) == (is_id and not named), (table.name, column.name)


def test_each_revision_can_be_printed_as_sql(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in commands.DATABASES:
        commands.upgrade(name, url(tmp_path / "none.db"), sql=True)
    printed = capsys.readouterr().out

    assert "CREATE TABLE registrar_extensions" in printed
    assert "CREATE TABLE ps_contacts" in printed
    assert not (tmp_path / "none.db").exists()
