"""SIP extensions."""

from alembic import op
from sqlalchemy import CHAR, Column, String

from ringback.kit.columns import Id, Time
from ringback.migrations.ddl import live_column, unique_if_live

revision = "registrar_extensions_create_table"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registrar_extensions",
        Column("id", Id, primary_key=True),
        Column("customer_id", Id),
        *(Column(name, String(255)) for name in ("name", "detail", "endpoint_id", "aor_id", "auth_id")),
        *(Column(name, String(255)) for name in ("extension", "domain_name", "realm", "username", "password")),
        Column("ha1", CHAR(32)),
        Column("ha1_sha256", CHAR(64)),
        *(Column(name, Time) for name in ("tm_create", "tm_update", "tm_delete")),
    )
    live_column("registrar_extensions")
    unique_if_live("ux_registrar_extensions_number", "registrar_extensions", "customer_id", ignore_case="extension")
    unique_if_live("ux_registrar_extensions_username", "registrar_extensions", "customer_id", ignore_case="username")
    op.create_index("idx_registrar_extensions_page", "registrar_extensions", ["customer_id", "tm_create", "id"])
    op.create_index("idx_registrar_extensions_endpoint", "registrar_extensions", ["endpoint_id"])
    op.create_index("idx_registrar_extensions_realm", "registrar_extensions", ["realm"])


def downgrade() -> None:
    op.drop_table("registrar_extensions")
