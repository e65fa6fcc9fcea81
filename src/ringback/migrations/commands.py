"""Upgrade, downgrade and show a schema: Alembic, pointed at our own databases.

Only what changes or lists a schema imports Alembic, which would be a quarter of the start of every command.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import URL, inspect
from sqlalchemy.exc import DBAPIError

from ringback.kit.errors import CannotStart, DatabaseAway
from ringback.migrations.complaints import Unusable, is_outage, told
from ringback.migrations.engine import connected
from ringback.migrations.realtime import require_asterisks
from ringback.migrations.version_table import name_of, read

if TYPE_CHECKING:
    from alembic.config import Config

Name = Literal["bin", "asterisk", "router"]

DATABASES: Final[tuple[Name, ...]] = ("bin", "asterisk", "router")
"""`bin` goes first, up and down: if it refuses, nothing has happened to the other."""
OURS: Final[Mapping[Name, str]] = {"bin": "registrar_", "asterisk": "ps_", "router": "registry_revision"}
"""How the names of tables begin that belong there, whoever has made them."""
HERE: Final = Path(__file__).parent


def config(database: Name, url: URL) -> Config:
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(HERE / database).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))
    return made


def upgrade(database: Name, url: URL, revision: str = "head", *, sql: bool = False) -> None:
    """Bring the schema up; two at a time take turns. `CannotStart` says in one line why it cannot be."""
    from alembic import command

    _do(database, url, lambda made: command.upgrade(made, revision, sql=sql), sql=sql)


def downgrade(database: Name, url: URL, revision: str, *, sql: bool = False) -> None:
    """Take it down, with the rows that are in it."""
    from alembic import command

    _do(database, url, lambda made: command.downgrade(made, revision, sql=sql), sql=sql)


def _do(database: Name, url: URL, do: Callable[[Config], None], *, sql: bool) -> None:
    from alembic.util.exc import CommandError

    made = config(database, url)
    with _saying_why(database, url):
        try:
            if sql:
                do(made)
            else:
                with connected(url) as connection:
                    made.attributes["connection"] = connection
                    do(made)
        except CommandError as error:
            raise CannotStart(f"{database}: {error}") from None


@contextmanager
def _saying_why(database: Name, url: URL) -> Iterator[None]:
    """Every failure is one line that names the file or the setting."""
    place = f"the database {named(url)}".strip()
    if url.get_backend_name() != "sqlite":
        place = f"{setting_of(database)}: {place}"
    try:
        yield
    except Unusable as error:
        raise CannotStart(f"{place} cannot be used: {error}") from None
    except DBAPIError as error:
        kind = DatabaseAway if is_outage(error) else CannotStart
        raise kind(f"{place} cannot be used: {told(error)}") from None


def setting_of(database: Name) -> str:
    """The setting that says where it is: the router's tables stand beside our own."""
    return f"database_dsn_{'bin' if database == 'router' else database}"


def named(url: URL) -> str:
    """What is meant by it: the database, on PostgreSQL with the schema."""
    schema = url.query.get("search_path")
    return f"{url.database or ''}, schema {schema}" if schema else url.database or ""


def strange(database: Name, places: Mapping[Name, URL]) -> str | None:
    """What must be asked before tables are made in a database that has tables of others alone; `None` elsewhere."""
    url = places[database]
    if url.get_backend_name() == "sqlite":
        return None
    with _saying_why(database, url), connected(url, writes=False) as connection:
        found = [name for name in inspect(connection).get_table_names() if not name.startswith("alembic_version_")]
    known = tuple(prefix for name, prefix in OURS.items() if places.get(name) == url)
    if not found or any(name.startswith(known) for name in found):
        return None
    some = ", ".join(sorted(found)[:3]) + (", …" if len(found) > 3 else "")
    whose = {"bin": "VoIPbin's or ", "asterisk": "Asterisk's or "}.get(database, "")
    return (
        f"{setting_of(database)}: the database {named(url)} holds other tables ({some}) and "
        f"none of {whose}Ringback's: is it the right one?"
    )


def look_first(database: Name, url: URL) -> None:
    """`CannotStart` where it could not be upgraded, before anything is done to another one."""
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        return
    with _saying_why(database, url), connected(url, writes=False) as connection:
        if database == "asterisk":
            require_asterisks(connection)


@dataclass(frozen=True, slots=True)
class Step:
    """One revision: what its SQL is on some engine, where nothing is there yet but what the steps before it make."""

    revision: str
    before: str | None
    title: str
    statements: tuple[str, ...]


def steps(database: Name, url: URL) -> list[Step]:
    """All revisions from the oldest on, for the engine of the URL, which nobody connects to."""
    from alembic import command

    found: list[Step] = []
    for revision, title in history(database, url):
        before = found[-1].revision if found else None
        made = config(database, url)
        made.output_buffer = printed = StringIO()
        command.upgrade(made, f"{before or 'base'}:{revision}", sql=True)
        found.append(Step(revision, before, title, tuple(_statements(printed.getvalue(), name_of(database)))))
    return found


def _statements(printed: str, versions: str) -> Iterator[str]:
    """What Alembic prints, without its own: transactions, notes, and its table of versions."""
    for text in printed.split(";\n\n"):
        statement = "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()
        if statement not in ("", "BEGIN", "COMMIT") and versions not in statement:
            yield statement


def history(database: Name, url: URL) -> list[tuple[str, str]]:
    """(revision, what it is) from the oldest on."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(config(database, url)).walk_revisions()
    return [(script.revision, script.doc) for script in reversed(list(scripts))]


def current(database: Name, url: URL) -> str | None:
    """The revision that the database is at; `None` for an empty one, or none at all."""
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        return None
    with _saying_why(database, url), connected(url, writes=False) as connection:
        return read(connection, name_of(database))


def missing(database: Name, url: URL, names: Iterable[str]) -> list[str]:
    """Tables and views of those names that are not there, whatever version the database says it is of."""
    with _saying_why(database, url), connected(url, writes=False) as connection:
        looked = inspect(connection)
        return sorted(set(names).difference(looked.get_table_names(), looked.get_view_names()))


def is_current(database: Name, url: URL) -> bool:
    return current(database, url) == head(database)


@cache
def head(database: Name) -> str:
    """The newest revision, which every start asks for and nothing changes meanwhile: its file has its name."""
    newest = max(file.stem for file in (HERE / database / "versions").glob("[0-9]*.py"))
    return newest.partition("_")[2]
