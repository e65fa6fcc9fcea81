"""Policies: at which registry revision each changed last, and what a call needs of it."""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, String, text

from ringback.migrations.ddl import drop_column, drop_index, ensure_column, ensure_index

revision = "policies_add_columns"
down_revision = "extensions_insert_initial_rows"
branch_labels = None
depends_on = None

TABLE: Final = "router_policies"
INDEX: Final = "idx_router_policies_registry_revision"


def columns() -> tuple[Column[object], ...]:
    return (
        Column("registry_revision", BigInteger, nullable=False, server_default=text("0")),
        Column("fails", String(8)),
        Column("deadline_ms", Integer),
    )


def upgrade() -> None:
    for column in columns():
        ensure_column(TABLE, column)
    ensure_index(INDEX, TABLE, "registry_revision")


def downgrade() -> None:
    drop_index(INDEX, TABLE)
    for column in columns():
        drop_column(TABLE, column.name)
