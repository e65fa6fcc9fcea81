"""By which trunk a call has come in or gone out."""

from sqlalchemy import Column

from ringback.kit.columns import Id
from ringback.migrations.ddl import drop_column, ensure_column

revision = "ringback_calls_add_column_trunk_id"
down_revision = "registrar_trunks_add_column_outbound"
branch_labels = None
depends_on = None


def upgrade() -> None:
    ensure_column("ringback_calls", Column("trunk_id", Id))


def downgrade() -> None:
    drop_column("ringback_calls", "trunk_id")
