"""The table that says which revision a schema is at, wide enough for our names of revisions."""

from typing import Any, Final

from alembic.ddl.mysql import MySQLImpl
from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import Connection, String, Table, inspect, text

from ringback.migrations.complaints import Unusable

WIDTH: Final = 255
"""Alembic's own is 32."""
WIDEN: Final = {"mysql": "MODIFY version_num VARCHAR({}) NOT NULL", "postgresql": "ALTER version_num TYPE VARCHAR({})"}


def name_of(database: str) -> str:
    """Each database has a version table of its own, since both may be one schema."""
    return f"alembic_version_{database}"


class OnMySql(MySQLImpl):
    __dialect__ = "mysql"

    def version_table_impl(self, **more: Any) -> Table:
        return _wide(super().version_table_impl(**more))


class OnPostgresql(PostgresqlImpl):
    __dialect__ = "postgresql"

    def version_table_impl(self, **more: Any) -> Table:
        return _wide(super().version_table_impl(**more))


def _wide(table: Table) -> Table:
    table.c.version_num.type = String(WIDTH)
    return table


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
