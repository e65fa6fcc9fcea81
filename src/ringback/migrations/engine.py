"""The engine that migrations run on: all of it or nothing, and no value of a row in what it says of a failure."""

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, pool


def engine_of(url: URL, *, writes: bool = True) -> Engine:
    """On SQLite the driver would commit before each DDL, and quote text that it cannot read."""
    engine = create_engine(url, poolclass=pool.NullPool, hide_parameters=True)
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare)
    if url.get_backend_name() == "sqlite" and writes:
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _prepare(connection: Any, record: object) -> None:
    connection.isolation_level = None
    connection.text_factory = lambda raw: raw.decode(errors="surrogateescape")
