"""What an installation remembers of itself."""

from sqlalchemy import Column, String

from ringback.migrations.ddl import drop_table, make_table

revision = "registrar_meta_create_table"
down_revision = "registrar_accesskeys_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "registrar_meta",
        Column("key", String(64), primary_key=True),
        Column("value", String(255), nullable=False),
    )


def downgrade() -> None:
    drop_table("registrar_meta")
