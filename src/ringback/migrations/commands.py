"""Upgrade, downgrade and show a schema: Alembic, pointed at our own databases."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final, Literal

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from ringback.kit.errors import CannotStart
from ringback.migrations.complaints import Unusable, told
from ringback.migrations.engine import connected
from ringback.migrations.version_table import name_of

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
    """Bring the schema up; two at a time take turns. `CannotStart` says in one line why it cannot be."""
    _do(database, url, lambda made: command.upgrade(made, revision, sql=sql), sql=sql)


def downgrade(database: Name, url: URL, revision: str, *, sql: bool = False) -> None:
    """Take it down, with the rows that are in it."""
    _do(database, url, lambda made: command.downgrade(made, revision, sql=sql), sql=sql)


def _do(database: Name, url: URL, do: Callable[[Config], None], *, sql: bool) -> None:
    made = config(database, url)
    with _saying_why(database, url):
        if sql:
            do(made)
        else:
            with connected(url) as connection:
                made.attributes["connection"] = connection
                do(made)


@contextmanager
def _saying_why(database: Name, url: URL) -> Iterator[None]:
    """Every failure is one line that names the file or the setting."""
    place = f"the database {url.database or ''}".strip()
    if url.get_backend_name() != "sqlite":
        place = f"database_dsn_{database}: {place}"
    try:
        yield
    except CommandError as error:
        raise CannotStart(f"{database}: {error}") from None
    except Unusable as error:
        raise CannotStart(f"{place} cannot be used: {error}") from None
    except DBAPIError as error:
        raise CannotStart(f"{place} cannot be used: {told(error)}") from None


def history(database: Name, url: URL) -> list[tuple[str, str]]:
    """(revision, what it is) from the oldest on."""
    scripts = ScriptDirectory.from_config(config(database, url)).walk_revisions()
    return [(script.revision, script.doc) for script in reversed(list(scripts))]


def current(database: Name, url: URL) -> str | None:
    """The revision that the database is at; `None` for an empty one, or none at all."""
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        return None
    with _saying_why(database, url), connected(url, writes=False) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": name_of(database)})
        return context.get_current_revision()


def is_current(database: Name, url: URL) -> bool:
    return current(database, url) == head(database)


@cache
def head(database: Name) -> str | None:
    """The newest revision, which every start asks for and nothing changes meanwhile."""
    return ScriptDirectory(str(HERE / database)).get_current_head()
