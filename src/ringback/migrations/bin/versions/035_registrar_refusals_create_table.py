"""Phones that were refused of late, for every instance to know."""

from sqlalchemy import Column, String, Text

from ringback.kit.columns import Time
from ringback.migrations.ddl import drop_table, ensure_index, make_table

revision = "registrar_refusals_create_table"
down_revision = "ringback_calls_add_column_trunk_id"
branch_labels = None
depends_on = None

TABLE = "registrar_refusals"


def upgrade() -> None:
    make_table(
        TABLE,
        Column("endpoint_id", String(255), primary_key=True),
        Column("told", Text, nullable=False),
        Column("tm_update", Time, nullable=False),
    )
    ensure_index(f"idx_{TABLE}_age", TABLE, "tm_update")


def downgrade() -> None:
    drop_table(TABLE)
