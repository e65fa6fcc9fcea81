"""Which endpoint a live direct hash rings: Asterisk's dialplan reads it."""

from alembic import op

from ringback.migrations.ddl import ensure_view

revision = "ringback_directs_create_view"
down_revision = "registrar_meta_create_table"
branch_labels = None
depends_on = None


def make_views() -> None:
    ensure_view(
        "ringback_directs",
        """
        SELECT d.hash AS hash, e.endpoint_id AS endpoint
        FROM registrar_directs d
        JOIN registrar_extensions e ON e.id = d.extension_id
        LEFT JOIN registrar_customers c ON c.customer_id = d.customer_id
        WHERE d.tm_delete IS NULL AND e.tm_delete IS NULL AND (c.status IS NULL OR c.status = 'active')
        """,
    )


def upgrade() -> None:
    make_views()


def downgrade() -> None:
    op.execute("DROP VIEW IF EXISTS ringback_directs")
