"""Every direct hash ever issued."""

from sqlalchemy import Column, String

from ringback.kit.columns import Id, Time
from ringback.migrations.ddl import drop_table, make_table

revision = "registrar_direct_hashes_create_table"
down_revision = "registrar_directs_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "registrar_direct_hashes",
        Column("hash", String(64), primary_key=True),
        Column("direct_id", Id),
        Column("tm_create", Time),
        Column("tm_revoke", Time),
    )


def downgrade() -> None:
    drop_table("registrar_direct_hashes")
