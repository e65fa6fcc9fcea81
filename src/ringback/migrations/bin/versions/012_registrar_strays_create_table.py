"""Since when SIP rows have been seen without an extension or trunk of ours."""

from sqlalchemy import Column, String

from ringback.kit.columns import Time
from ringback.migrations.ddl import drop_table, make_table

revision = "registrar_strays_create_table"
down_revision = "registrar_contact_states_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "registrar_strays",
        Column("row_table", String(64), primary_key=True),
        Column("row_id", String(255), primary_key=True),
        Column("tm_create", Time, nullable=False),
    )


def downgrade() -> None:
    drop_table("registrar_strays")
