"""Databases on MariaDB and PostgreSQL as a client sees them: schema and rows as text; and one of another service."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import URL, Connection, Engine, create_engine, inspect, make_url, pool, text

from ringback.migrations.engine import driven
from tests.foreign import Filled
from tests.servers.database import Database

ENGINES = ("mariadb", "postgresql")
WORDS = {r"binary\(16\)": "uuid", r"datetime\(6\)": "timestamp(6)", r"\bjson\b": "jsonb"}
HERE = "quote_ident(current_schema())::regnamespace"
SHAPE = {
    "mysql": (
        "SELECT table_name, column_name, column_type, is_nullable, column_default, collation_name, extra,"
        " generation_expression FROM information_schema.columns WHERE table_schema = DATABASE()",
        "SELECT table_name, index_name, non_unique, seq_in_index, column_name FROM information_schema.statistics"
        " WHERE table_schema = DATABASE()",
        "SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = DATABASE()",
        "SELECT trigger_name, event_manipulation, action_statement FROM information_schema.triggers"
        " WHERE trigger_schema = DATABASE()",
        "SELECT table_name, constraint_name, check_clause FROM information_schema.check_constraints"
        " WHERE constraint_schema = DATABASE()",
        "SELECT table_name, constraint_name, referenced_table_name, delete_rule, update_rule"
        " FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE()",
    ),
    "postgresql": (
        "SELECT table_name, column_name, udt_name, character_maximum_length, datetime_precision, is_nullable,"
        " column_default, generation_expression FROM information_schema.columns WHERE table_schema = current_schema()",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()",
        "SELECT viewname, definition FROM pg_views WHERE schemaname = current_schema()",
        "SELECT tgname, pg_get_triggerdef(pg_trigger.oid), tgenabled FROM pg_trigger"
        f" JOIN pg_class ON tgrelid = pg_class.oid WHERE relnamespace = {HERE} AND NOT tgisinternal",
        f"SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = {HERE}",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        f" WHERE connamespace = {HERE}",
        "SELECT objoid::regclass::text, objsubid, description FROM pg_description"
        f" JOIN pg_class ON objoid = pg_class.oid WHERE classoid = 'pg_class'::regclass AND relnamespace = {HERE}",
    ),
}


def url_of(database: Database, schema: str = "") -> URL:
    """Where it is; on PostgreSQL perhaps one schema of it."""
    url = make_url(database.url)
    return url.update_query_dict({"search_path": schema}) if schema else url


@cache
def engine_at(url: URL) -> Engine:
    """Connections to it, each of which ends with its use."""
    plain = {} if url.get_backend_name() == "postgresql" else {"ssl_disabled": True}
    return create_engine(driven(url), poolclass=pool.NullPool, connect_args=plain)


def rows_of(url: URL, statement: str, *values: Any) -> list[dict[str, Any]]:
    """What a client gets, in a transaction of its own; `?` stands for a value."""
    with engine_at(url).begin() as connection:
        done = connection.exec_driver_sql(statement.replace("%", "%%").replace("?", "%s"), values)
        return [dict(row) for row in done.mappings()] if done.returns_rows else []


def run_all(url: URL, statements: Iterable[str]) -> None:
    """Run text as it is, one after the other on one connection."""
    with engine_at(url).execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))


def shape_of(url: URL, *, whole: bool = False) -> list[str]:
    """Every column, index, view, trigger, rule and comment; of Alembic's tables too if it is to be the whole."""
    with engine_at(url).connect() as connection:
        rows = [tuple(row) for query in SHAPE[url.get_backend_name()] for row in connection.execute(text(query))]
        kept = [str(row) for row in rows if whole or not row[0].startswith("alembic_version")]
        return sorted(line.replace(f"`{url.database}`.", "") for line in kept)


def rows_in(connection: Connection) -> list[str]:
    """Every row of every table but Alembic's."""
    names = [name for name in inspect(connection).get_table_names() if not name.startswith("alembic_version")]
    return sorted(f"{name}: {row}" for name in names for row in connection.execute(text(f"SELECT * FROM {name}")))


class ForeignOnServer(Filled):
    """A database of VoIPbin's service on MariaDB, or what it would be on PostgreSQL."""

    def __init__(self, database: Database, **tables: str | None) -> None:
        self.database = database
        super().__init__(**tables)

    @property
    def url(self) -> URL:
        return url_of(self.database)

    @property
    def is_postgresql(self) -> bool:
        return self.url.get_backend_name() == "postgresql"

    def sql(self, text: str, *values: Any) -> list[dict[str, Any]]:
        return rows_of(self.url, text, *values)

    def dump(self) -> list[str]:
        with engine_at(self.url).connect() as connection:
            return shape_of(self.url) + rows_in(connection)

    def spelt(self, definition: str) -> str:
        for word, other in WORDS.items() if self.is_postgresql else ():
            definition = re.sub(word, other, definition)
        return definition

    def key(self, id: UUID) -> Any:
        return id if self.is_postgresql else id.bytes
