"""Where a benchmark works: a database that is made for it and gone with it, never one that holds anything."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import URL, Connection, inspect
from sqlalchemy.exc import DBAPIError

from ringback.app import Router, assemble
from ringback.databases import Watch, make_schema, opened
from ringback.kit.dsn import parse_dsn
from ringback.kit.errors import CannotStart
from ringback.knobs import load
from ringback.migrations import commands
from ringback.migrations.complaints import Unusable, told
from ringback.migrations.engine import connected
from ringback.router.metrics import Nats
from ringback.settings import Settings

NAME: Final = "ringback_bench"
"""The schema, on MariaDB the database, that is made on a server."""
SQLITE: Final = "sqlite"
WORDS: Final = {
    "postgresql": (f"CREATE SCHEMA {NAME}", f"DROP SCHEMA {NAME} CASCADE"),
    "mysql": (f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4", f"DROP DATABASE {NAME}"),
}


@dataclass(frozen=True, slots=True)
class Ground:
    """The settings that lead to it, and what it stands on."""

    given: dict[str, Any]
    engine: str

    def settings(self, **more: Any) -> Settings:
        """Those of a node on it."""
        return load({**self.given, **more})


@contextmanager
def ground(on: str) -> Iterator[Ground]:
    """With `sqlite` a file in a folder of its own, else a schema of its own on the server of a DSN, while inside."""
    with TemporaryDirectory(prefix="ringback-bench-") as home, ExitStack() as stack:
        if on == SQLITE:
            file = Path(home) / "ringback.db"
            make_schema(file)
            url = URL.create("sqlite", database=str(file))
        else:
            url = stack.enter_context(schema_on(_server(on)))
            for name in commands.DATABASES:
                commands.upgrade(name, url)
        dsn = url.render_as_string(hide_password=False)
        given: dict[str, Any] = {f"database_dsn_{name}": dsn for name in ("bin", "asterisk")}
        if url.get_backend_name() == "postgresql":
            given["database_listen_url"] = dsn
        yield Ground({**given, "ringback_home": home, "limits": "local", "redis_address": ""}, engine_of(url))


@asynccontextmanager
async def node(settings: Settings, nats: Nats | None = None, watch: Watch | None = None) -> AsyncIterator[Router]:
    """The router of a process as the product puts it together; nothing of it runs by itself yet."""
    async with opened(settings, watch) as found, aclosing(assemble(settings, found, nats=nats)) as ringback:
        yield ringback.router


def _server(on: str) -> URL:
    try:
        url = parse_dsn(on)
    except ValueError as error:
        raise CannotStart(f"--on: {error}") from None
    if url.get_backend_name() not in WORDS:
        raise CannotStart(f"--on: must be {SQLITE}, for a file of its own, or the DSN of a server")
    return url


@contextmanager
def schema_on(server: URL) -> Iterator[URL]:
    """A new schema on a server, with all that comes to be in it gone at the end."""
    make, drop = WORDS[server.get_backend_name()]
    with _complaining(server), connected(server) as connection:
        if NAME in inspect(connection).get_schema_names():
            raise Unusable(f"it has a {NAME} already: another benchmark is at work there, or was killed; drop it then")
        connection.exec_driver_sql(make)
    try:
        on_mysql = server.get_backend_name() == "mysql"
        yield server.set(database=NAME) if on_mysql else server.update_query_dict({"search_path": NAME})
    finally:
        with _complaining(server), connected(server) as connection:
            connection.exec_driver_sql(drop)


@contextmanager
def _complaining(server: URL) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, Unusable) as error:
        why = told(error) if isinstance(error, DBAPIError) else str(error)
        raise CannotStart(f"--on: the database {commands.named(server)} cannot be used: {why}") from None


def engine_of(url: URL) -> str:
    """Its name and its version."""
    with connected(url, writes=False) as connection:
        version = ".".join(map(str, connection.dialect.server_version_info or ()))
        return f"{_named(connection)} {version}"


def _named(connection: Connection) -> str:
    if getattr(connection.dialect, "is_mariadb", False):
        return "MariaDB"
    return {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(connection.dialect.name, "MySQL")
