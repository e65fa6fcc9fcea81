"""Which policy calls to a customer's direct addresses go through: Asterisk's dialplan and call-manager read it."""

from typing import Final

from alembic import op

from ringback.migrations.ddl import ensure_view

revision = "ringback_screens_create_view"
down_revision = "policies_add_columns"
branch_labels = None
depends_on = None

VIEW: Final = "ringback_screens"
QUERY: Final = """
    SELECT p.customer_id AS customer, p.policy_id AS policy,
        CASE WHEN p.fails IS NULL THEN 'closed' ELSE p.fails END AS fails,
        CASE WHEN p.deadline_ms IS NULL THEN 500 ELSE p.deadline_ms END AS deadline_ms
    FROM router_policies p
    WHERE p.purpose = 'direct_call' AND p.enabled = TRUE AND p.deleted_at IS NULL
    """


def make_views() -> None:
    ensure_view(VIEW, QUERY)


def upgrade() -> None:
    make_views()


def downgrade() -> None:
    op.execute(f"DROP VIEW IF EXISTS {VIEW}")
