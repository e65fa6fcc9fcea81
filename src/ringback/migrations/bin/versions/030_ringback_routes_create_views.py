"""Who rings when a call comes in, and whether the customer is frozen: Asterisk's dialplan and call-manager read it."""

from typing import Final

from alembic import op

from ringback.migrations.ddl import ensure_view, is_mysql

revision = "ringback_routes_create_views"
down_revision = "registrar_setup_links_create_table"
branch_labels = None
depends_on = None

VIEWS: Final = {
    "ringback_extensions": """
        SELECT e.endpoint_id AS endpoint, STATUS
        FROM registrar_extensions e
        LEFT JOIN registrar_customers c ON c.customer_id = e.customer_id
        WHERE e.tm_delete IS NULL AND LIVES
        """,
    "ringback_addresses": """
        SELECT d.hash AS hash, e.endpoint_id AS endpoint, STATUS
        FROM registrar_directs d
        JOIN registrar_extensions e ON e.id = d.extension_id
        LEFT JOIN registrar_customers c ON c.customer_id = d.customer_id
        WHERE d.tm_delete IS NULL AND e.tm_delete IS NULL AND LIVES
        """,
    "ringback_trunks": """
        SELECT t.realm AS trunk, STATUS
        FROM registrar_trunks t
        LEFT JOIN registrar_customers c ON c.customer_id = t.customer_id
        WHERE t.tm_delete IS NULL AND LIVES
        """,
    "ringback_trunk_numbers": """
        SELECT t.realm AS trunk, FOLDED AS number, e.endpoint_id AS endpoint, STATUS
        FROM registrar_trunks t
        JOIN registrar_extensions e ON e.customer_id = t.customer_id
        LEFT JOIN registrar_customers c ON c.customer_id = t.customer_id
        WHERE t.tm_delete IS NULL AND e.tm_delete IS NULL AND LIVES
        """,
}
STATUS: Final = "CASE WHEN c.status IS NULL THEN 'active' ELSE c.status END AS status"
LIVES: Final = "(c.status IS NULL OR c.status <> 'deleted')"


def make_views() -> None:
    # As the unique index has it: where that compares without letter case, it is the column itself.
    folded = "e.extension" if is_mysql() else "lower(e.extension)"
    for name, query in VIEWS.items():
        ensure_view(name, query.replace("STATUS", STATUS).replace("LIVES", LIVES).replace("FOLDED", folded))


def upgrade() -> None:
    make_views()


def downgrade() -> None:
    for name in reversed(VIEWS):
        op.execute(f"DROP VIEW IF EXISTS {name}")
