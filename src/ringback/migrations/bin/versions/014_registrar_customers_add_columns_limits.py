"""Limits of single customers."""

from sqlalchemy import Column, Integer

from ringback.migrations.ddl import drop_column, ensure_column

revision = "registrar_customers_add_columns_limits"
down_revision = "registrar_dead_events_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("limit_extension", "limit_trunk"):
        ensure_column("registrar_customers", Column(name, Integer))


def downgrade() -> None:
    for name in ("limit_trunk", "limit_extension"):
        drop_column("registrar_customers", name)
