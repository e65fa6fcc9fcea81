"""The table that says which revision a schema is at, wide enough for our names of revisions."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from sqlalchemy import Connection, column, inspect, select, table, text
from sqlalchemy.exc import DBAPIError

from ringback.migrations.complaints import Unusable

WIDTH: Final = 255
"""Alembic's own is 32."""
WIDEN: Final = {"mysql": "MODIFY version_num VARCHAR({}) NOT NULL", "postgresql": "ALTER version_num TYPE VARCHAR({})"}


def name_of(database: str) -> str:
    """Each database has a version table of its own, since both may be one schema."""
    return f"alembic_version_{database}"


def read(connection: Connection, name: str) -> str | None:
    """The revision in it; `None` where there is no such table, or nothing in it. `Unusable` if there are several."""
    if not inspect(connection).has_table(name):
        return None
    found: Sequence[str] = connection.execute(select(column("version_num")).select_from(table(name))).scalars().all()
    if len(found) > 1:
        raise Unusable(f"its table {name} names more than one revision")
    return found[0] if found else None


def widen(connection: Connection, name: str) -> None:
    """Make room in a table that Alembic alone has made. `Unusable` if it is no such table."""
    schema = inspect(connection)
    if not schema.has_table(name):
        return
    found = {column["name"]: column["type"] for column in schema.get_columns(name)}
    if found.keys() != {"version_num"}:
        raise Unusable(f"its table {name} is not Ringback's")
    words = WIDEN.get(connection.dialect.name)
    if words and (getattr(found["version_num"], "length", None) or WIDTH) < WIDTH:
        connection.execute(text(f"ALTER TABLE {name} {words.format(WIDTH)}"))


def forget(connection: Connection, name: str) -> None:
    """Drop one that a refused upgrade has made, where that was not undone with all the rest, and we may."""
    if connection.dialect.name == "mysql" and read(connection, name) is None:
        with suppress(DBAPIError):
            connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
