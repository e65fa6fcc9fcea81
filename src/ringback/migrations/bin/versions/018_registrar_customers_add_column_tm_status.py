"""Since when a customer has their status."""

from sqlalchemy import Column

from ringback.kit.columns import Time
from ringback.migrations.ddl import drop_column, ensure_column

revision = "registrar_customers_add_column_tm_status"
down_revision = "registrar_extensions_add_column_contacts_version"
branch_labels = None
depends_on = None


def upgrade() -> None:
    ensure_column("registrar_customers", Column("tm_status", Time))


def downgrade() -> None:
    drop_column("registrar_customers", "tm_status")
