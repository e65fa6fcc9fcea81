"""Whose a direct address is, ids as text: Asterisk's dialplan and call-manager find the customer's policy by it."""

from typing import Final

from alembic import op

from ringback.migrations.ddl import dialect, ensure_view, require_own

revision = "ringback_direct_owners_create_view"
down_revision = "registrar_refusals_create_table"
branch_labels = None
depends_on = None

VIEW: Final = "ringback_direct_owners"
HEX: Final = {"sqlite": "lower(hex({id}))", "mysql": "lower(hex({id}))", "postgresql": "{id}"}
TEXT: Final = {
    "sqlite": "substr({hex}, 1, 8) || '-' || substr({hex}, 9, 4) || '-' || substr({hex}, 13, 4)"
    " || '-' || substr({hex}, 17, 4) || '-' || substr({hex}, 21)",
    "mysql": "CONVERT(concat_ws('-', substr({hex}, 1, 8), substr({hex}, 9, 4), substr({hex}, 13, 4),"
    " substr({hex}, 17, 4), substr({hex}, 21)) USING utf8mb4) COLLATE utf8mb4_bin",
    "postgresql": "CAST({hex} AS VARCHAR(36))",
}


def as_text(column: str) -> str:
    """A UUID as everybody writes it."""
    return TEXT[dialect()].format(hex=HEX[dialect()].format(id=column))


def make_views() -> None:
    query = "SELECT d.hash AS hash, CUSTOMER AS customer, EXTENSION AS extension FROM registrar_directs d"
    query = query.replace("CUSTOMER", as_text("d.customer_id")).replace("EXTENSION", as_text("d.extension_id"))
    ensure_view(VIEW, f"{query} WHERE d.tm_delete IS NULL")


def upgrade() -> None:
    make_views()


def downgrade() -> None:
    require_own()
    op.execute(f"DROP VIEW IF EXISTS {VIEW}")
