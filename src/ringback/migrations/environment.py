"""What both Alembic environments do: connect, or print the statements."""

from typing import Any

from alembic import context
from sqlalchemy import Connection, make_url

from ringback.migrations.engine import engine_of
from ringback.schema import ASTERISK_TABLES, OWN_TABLES

TABLES = {"bin": OWN_TABLES, "asterisk": ASTERISK_TABLES}


def run(database: str) -> None:
    """Each database has a version table of its own, since in the embedded default both are one file."""
    url = context.config.get_main_option("sqlalchemy.url")
    options: dict[str, Any] = {
        "version_table": f"alembic_version_{database}",
        "target_metadata": list(TABLES[database]),
    }
    given: Connection | None = context.config.attributes.get("connection")
    if context.is_offline_mode():
        context.configure(url=url, literal_binds=True, **options)
        with context.begin_transaction():
            context.run_migrations()
    elif given is not None:
        _migrate(given, options)
    else:
        with engine_of(make_url(url or "")).connect() as connection:
            _migrate(connection, options)


def _migrate(connection: Connection, options: dict[str, Any]) -> None:
    context.configure(connection=connection, **options)
    with context.begin_transaction():
        context.run_migrations()
