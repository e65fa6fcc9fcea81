"""States and realms of customers."""

from sqlalchemy import Column, String

from ringback.kit.columns import Id, Time
from ringback.migrations.ddl import drop_table, ensure_table, make_table

revision = "registrar_customers_create_table"
down_revision = "registrar_direct_hashes_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "registrar_customers",
        Column("customer_id", Id, primary_key=True),
        Column("status", String(16), nullable=False),
        Column("tm_create", Time),
        Column("tm_update", Time),
    )
    ensure_table(
        "registrar_customer_domains",
        Column("customer_id", Id, primary_key=True),
        Column("domain_label", String(64), nullable=False),
        Column("realm", String(255), nullable=False),
        Column("tm_create", Time),
        Column("tm_update", Time),
    )


def downgrade() -> None:
    drop_table("registrar_customer_domains")
    drop_table("registrar_customers")
