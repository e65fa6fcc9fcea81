"""Customers; and since when nothing is left of a deleted one."""

from sqlalchemy import Column, String

from ringback.kit.columns import Id, Time
from ringback.migrations.ddl import drop_column, drop_index, drop_table, ensure_column, ensure_index, make_table

revision = "ringback_customers_create_table"
down_revision = "registrar_applies_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "ringback_customers",
        Column("id", Id, primary_key=True),
        *(Column(name, String(255), nullable=False) for name in ("name", "email", "detail")),
        Column("tm_create", Time, nullable=False),
        *(Column(name, Time) for name in ("tm_update", "tm_delete")),
    )
    ensure_index("idx_ringback_customers_page", "ringback_customers", "tm_create", "id")
    ensure_column("registrar_customers", Column("tm_erase", Time))
    ensure_index("idx_registrar_accesskeys_customer_id", "registrar_accesskeys", "customer_id")


def downgrade() -> None:
    drop_index("idx_registrar_accesskeys_customer_id", "registrar_accesskeys")
    drop_column("registrar_customers", "tm_erase")
    drop_table("ringback_customers")
