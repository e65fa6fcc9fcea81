"""What an installation remembers of itself."""

from alembic import op
from sqlalchemy import Column, String

revision = "registrar_meta_create_table"
down_revision = "registrar_accesskeys_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registrar_meta",
        Column("key", String(64), primary_key=True),
        Column("value", String(255), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("registrar_meta")
