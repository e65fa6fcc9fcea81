"""What was done by plans, so that it can be undone."""

from sqlalchemy import Column, Integer, String

from ringback.kit.columns import Id, Json, Time
from ringback.migrations.ddl import drop_table, ensure_index, make_table

revision = "registrar_applies_create_table"
down_revision = "ringback_audit_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "registrar_applies",
        Column("id", Id, primary_key=True),
        Column("customer_id", Id, nullable=False),
        Column("number", Integer, nullable=False),
        Column("actor", String(255), nullable=False),
        Column("changes", Json, nullable=False),
        Column("tm_create", Time, nullable=False),
        Column("tm_undo", Time),
    )
    ensure_index("ux_registrar_applies_number", "registrar_applies", "customer_id", "number", unique=True)


def downgrade() -> None:
    drop_table("registrar_applies")
