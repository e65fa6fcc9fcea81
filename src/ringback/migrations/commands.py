"""Upgrade, downgrade and show a schema: Alembic, pointed at our own databases."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final, Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import URL
from sqlalchemy.exc import DatabaseError

from ringback.kit.errors import CannotStart
from ringback.migrations.engine import engine_of

Name = Literal["bin", "asterisk"]

DATABASES: Final[tuple[Name, ...]] = ("bin", "asterisk")
"""`bin` goes first, up and down: if it refuses, nothing has happened to the other."""
HERE: Final = Path(__file__).parent


def config(database: Name, url: URL) -> Config:
    made = Config()
    made.set_main_option("script_location", str(HERE / database).replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.set_main_option("sqlalchemy.url", url.render_as_string(hide_password=False).replace("%", "%%"))
    return made


def upgrade(database: Name, url: URL, revision: str = "head", *, sql: bool = False) -> None:
    _online(database, url, lambda made: command.upgrade(made, revision, sql=sql), sql=sql)


def downgrade(database: Name, url: URL, revision: str, *, sql: bool = False) -> None:
    _online(database, url, lambda made: command.downgrade(made, revision, sql=sql), sql=sql)


def _online(database: Name, url: URL, do: Callable[[Config], None], *, sql: bool) -> None:
    """Run it on one connection, all of it or nothing."""
    try:
        _do(config(database, url), url, do, sql=sql)
    except CommandError as error:
        raise CannotStart(f"{database}: {error}") from None


def _do(made: Config, url: URL, do: Callable[[Config], None], *, sql: bool) -> None:
    if sql:
        do(made)
        return
    try:
        with engine_of(url).begin() as connection:
            made.attributes["connection"] = connection
            do(made)
    except DatabaseError as error:
        raise CannotStart(f"the database {url.database} cannot be used: {error.orig}") from None


def history(database: Name, url: URL) -> list[tuple[str, str]]:
    """(revision, what it is) from the oldest on."""
    scripts = ScriptDirectory.from_config(config(database, url)).walk_revisions()
    return [(script.revision, script.doc) for script in reversed(list(scripts))]


def current(database: Name, url: URL) -> str | None:
    """The revision that the database is at; `None` for an empty one, or none at all."""
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        return None
    try:
        with engine_of(url, writes=False).connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": f"alembic_version_{database}"})
            return context.get_current_revision()
    except DatabaseError as error:
        raise CannotStart(f"the database {url.database} cannot be used: {error.orig}") from None


def is_current(database: Name, url: URL) -> bool:
    return current(database, url) == head(database)


@cache
def head(database: Name) -> str | None:
    """The newest revision, which every start asks for and nothing changes meanwhile."""
    return ScriptDirectory(str(HERE / database)).get_current_head()
