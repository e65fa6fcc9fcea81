"""The engine that migrations run on: all of it or nothing where it can, alone, and as strict as we need it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, pool, text

from ringback.migrations.complaints import Unusable

DRIVERS: Final = {"mysql": "mysql+pymysql", "mariadb": "mysql+pymysql", "postgresql": "postgresql+psycopg"}
PATIENCE: Final = 60
"""Seconds that a statement waits for others who hold a table, and an upgrade for another one."""
CONNECTING: Final = 10
"""Seconds."""
LOCKS: Final = {
    "mysql": f"SELECT GET_LOCK(CONCAT('ringback.', LEFT(SHA2(DATABASE(), 256), 32)), {PATIENCE})",
    "postgresql": "SELECT 1 FROM pg_advisory_xact_lock(hashtextextended('ringback.' || current_schema(), 0))",
}
STRICT: Final = f"""
    SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION', lock_wait_timeout = {PATIENCE},
    innodb_lock_wait_timeout = {PATIENCE}
"""
ONE_SCHEMA: Final = f"""
    SELECT set_config('search_path', quote_ident(current_schema()), false),
           set_config('lock_timeout', '{PATIENCE}s', false)
    WHERE current_schema() IS NOT NULL
"""


def driven(url: URL) -> URL:
    """The URL with the driver that migrations use, and `search_path` as that driver takes it."""
    backend = url.get_backend_name()
    path = url.query.get("search_path")
    if backend == "postgresql" and isinstance(path, str):
        quoted = '"' + path.replace('"', '""') + '"'
        escaped = quoted.replace("\\", "\\\\").replace(" ", "\\ ")
        url = url.difference_update_query(["search_path"]).update_query_dict({"options": f"-csearch_path={escaped}"})
    return url.set(drivername=DRIVERS.get(backend, backend))


def engine_of(url: URL, *, writes: bool = True) -> Engine:
    """On SQLite the driver would commit before each DDL, and quote text that it cannot read."""
    backend = url.get_backend_name()
    engine = create_engine(driven(url), poolclass=pool.NullPool, hide_parameters=True, connect_args=_arguments(url))
    prepare = {"sqlite": _prepare_sqlite, "postgresql": _prepare_postgresql}.get(backend, _strict)
    event.listen(engine, "connect", prepare)
    if backend == "sqlite" and writes:
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _arguments(url: URL) -> dict[str, Any]:
    """Nobody waits for ever; and on MySQL TLS is what a DSN asks for, as it is with the service's own driver."""
    if url.get_backend_name() == "sqlite":
        return {}
    if url.get_backend_name() == "postgresql":
        return {"connect_timeout": CONNECTING}
    encrypted = any(name.startswith("ssl_") for name in url.query)
    return {"connect_timeout": CONNECTING, "read_timeout": CONNECTING, "ssl_disabled": not encrypted}


@contextmanager
def connected(url: URL, *, writes: bool = True) -> Iterator[Connection]:
    """A connection; to write, inside one transaction. MySQL ends one at each DDL, so there Alembic takes one a step."""
    if not url.database:
        raise Unusable("no name of a database is given")
    engine = engine_of(url, writes=writes)
    whole = writes and engine.dialect.name != "mysql"
    with engine.begin() if whole else engine.connect() as connection:
        yield connection


def take_turn(connection: Connection) -> None:
    """One upgrade of a schema at a time: until the connection closes or its transaction ends."""
    lock = LOCKS.get(connection.dialect.name)
    if lock and connection.execute(text(lock)).scalar() != 1:
        raise Unusable("somebody else is changing its schema; try again when that has ended")


def _prepare_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None
    connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")


def _prepare_postgresql(connection: Any, record: object) -> None:
    """What the search path names first is all that we see."""
    connection.autocommit = True
    if connection.execute(ONE_SCHEMA).fetchone() is None:
        raise Unusable("it has no schema of the name in its search_path")
    connection.autocommit = False


def _strict(connection: Any, record: object) -> None:
    """A value that does not fit is an error, whatever the server is set to; and a statement may take its time."""
    connection._read_timeout = None  # it has greeted us, which nothing else bounds
    with connection.cursor() as cursor:
        cursor.execute(STRICT)
