"""When a session was last refreshed, and where it was seen then."""

from typing import Final

from sqlalchemy import Column, String

from ringback.kit.columns import Time
from ringback.migrations.ddl import drop_column, ensure_column

revision = "customer_sessions_add_columns_seen"
down_revision = "registrar_imports_create_table"
branch_labels = None
depends_on = None

ADDED: Final = ("tm_refresh", "address", "user_agent")


def upgrade() -> None:
    for column in (Column("tm_refresh", Time), Column("address", String(64)), Column("user_agent", String(255))):
        ensure_column("customer_sessions", column)


def downgrade() -> None:
    for name in ADDED:
        drop_column("customer_sessions", name)
