"""The audit log: entries come, and only what one tells of a deleted customer is ever taken out of it."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

from ringback.kit.columns import Id, Json, Time
from ringback.migrations.append_only import OF_GONE_CUSTOMER, guards
from ringback.migrations.ddl import dialect, drop_table, ensure_index, make_table

revision = "ringback_audit_create_table"
down_revision = "registrar_idempotency_keys_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "ringback_audit",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("customer_id", Id),
        Column("tm", Time, nullable=False),
        Column("actor", String(255), nullable=False),
        Column("identity", String(255)),
        Column("source", String(16), nullable=False),
        Column("address", String(64)),
        Column("request_id", String(64)),
        Column("action", String(32), nullable=False),
        Column("kind", String(32), nullable=False),
        Column("object_id", Id, nullable=False),
        Column("changed", Json, nullable=False),
        Column("old_values", Json),
        Column("new_values", Json),
        sqlite_autoincrement=True,
    )
    ensure_index("idx_ringback_audit_customer", "ringback_audit", "customer_id", "id")
    ensure_index("idx_ringback_audit_object", "ringback_audit", "object_id", "id")
    for statement in guards(dialect(), may_be_blank=OF_GONE_CUSTOMER):
        op.execute(statement)


def downgrade() -> None:
    drop_table("ringback_audit")
    if dialect() == "postgresql":
        op.execute("DROP FUNCTION IF EXISTS ringback_audit_refuse()")
