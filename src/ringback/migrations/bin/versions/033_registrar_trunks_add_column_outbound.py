"""By which trunk calls of a customer's phones go out, and who may read it: Asterisk's dialplan and call-manager."""

from typing import Final

from alembic import op
from sqlalchemy import Boolean, Column

from ringback.migrations.ddl import drop_column, drop_index, ensure_column, ensure_index, ensure_view

revision = "registrar_trunks_add_column_outbound"
down_revision = "ringback_calls_create_tables"
branch_labels = None
depends_on = None

INDEX: Final = "idx_registrar_trunks_outbound"
VIEW: Final = "ringback_ways_out"
QUERY: Final = """
    SELECT e.endpoint_id AS endpoint, t.realm AS trunk,
        CASE WHEN c.status IS NULL THEN 'active' ELSE c.status END AS status
    FROM registrar_extensions e
    JOIN registrar_trunks t ON t.customer_id = e.customer_id
    LEFT JOIN registrar_customers c ON c.customer_id = e.customer_id
    WHERE e.tm_delete IS NULL AND t.tm_delete IS NULL AND t.outbound = TRUE
        AND (c.status IS NULL OR c.status <> 'deleted')
    """


def upgrade() -> None:
    ensure_column("registrar_trunks", Column("outbound", Boolean(create_constraint=False)))
    ensure_index(INDEX, "registrar_trunks", "customer_id", "outbound")
    make_views()


def make_views() -> None:
    ensure_view(VIEW, QUERY)


def downgrade() -> None:
    op.execute(f"DROP VIEW IF EXISTS {VIEW}")
    drop_index(INDEX, "registrar_trunks")
    drop_column("registrar_trunks", "outbound")
