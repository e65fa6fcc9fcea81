"""What both Alembic environments do: connect, or print the statements."""

from contextlib import nullcontext
from typing import Any

from alembic import context
from alembic.ddl.mysql import MySQLImpl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, String, Table, inspect, make_url

from ringback.kit.errors import CannotStart
from ringback.migrations.complaints import Unusable
from ringback.migrations.engine import connected, driven, take_turn
from ringback.migrations.version_table import WIDTH, forget, name_of, widen
from ringback.schema import ASTERISK_TABLES, OWN_TABLES, ROUTER_TABLES

TABLES = {"bin": OWN_TABLES, "asterisk": ASTERISK_TABLES, "router": ROUTER_TABLES}


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


def run(database: str) -> None:
    """On the connection that was given, or on one of its own."""
    url = make_url(context.config.get_main_option("sqlalchemy.url") or "")
    options: dict[str, Any] = {"version_table": name_of(database), "target_metadata": list(TABLES[database])}
    given: Connection | None = context.config.attributes.get("connection")
    if context.is_offline_mode():
        context.configure(url=driven(url), literal_binds=True, **options)
        with context.begin_transaction():
            context.run_migrations()
    elif given is not None:
        _migrate(given, options)
    else:
        with connected(url) as connection:
            _migrate(connection, options)


def _migrate(connection: Connection, options: dict[str, Any]) -> None:
    with nullcontext() if connection.in_transaction() else connection.begin():
        take_turn(connection)
        widen(connection, options["version_table"])
    context.configure(connection=connection, **options)
    _require_known(*context.get_context().get_current_heads())
    was_there = inspect(connection).has_table(options["version_table"])
    try:
        with context.begin_transaction():
            context.run_migrations()
            _make_views()
    except CannotStart:
        if not was_there:
            forget(connection, options["version_table"])
        raise


def _make_views() -> None:
    """Again those that somebody has taken away, where the schema is the newest: there are no rows in them."""
    scripts = ScriptDirectory.from_config(context.config)
    if context.get_context().get_current_heads() != tuple(scripts.get_heads()):
        return
    with Operations.context(context.get_context()):
        for script in reversed(list(scripts.walk_revisions())):
            if make := getattr(script.module, "make_views", None):
                make()


def _require_known(*revisions: str) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(context.config).walk_revisions()}
    for revision in set(revisions) - known:
        raise Unusable(f"its schema is at {revision}, which this version of Ringback does not know")
