"""Events that wait for the bus."""

from sqlalchemy import BigInteger, Column, Integer, String

from ringback.kit.columns import Id, Json, Time
from ringback.migrations.ddl import drop_table, ensure_index, make_table

revision = "registrar_outbox_create_table"
down_revision = "registrar_customers_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "registrar_outbox",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("publisher", String(64), nullable=False),
        Column("event_type", String(64), nullable=False),
        Column("object_id", Id, nullable=False),
        Column("subscription_id", Id, nullable=False),
        Column("payload", Json, nullable=False),
        Column("tm_create", Time, nullable=False),
        Column("tm_publish", Time),
        Column("attempts", Integer, nullable=False, server_default="0"),
        sqlite_autoincrement=True,
    )
    ensure_index("idx_registrar_outbox_publish", "registrar_outbox", "tm_publish", "id")


def downgrade() -> None:
    drop_table("registrar_outbox")
