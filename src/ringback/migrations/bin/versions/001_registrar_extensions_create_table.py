"""SIP extensions."""

from sqlalchemy import CHAR, Column, String

from ringback.kit.columns import Id, Time
from ringback.migrations.ddl import drop_table, ensure_index, ensure_table
from ringback.migrations.takeover import look_first

revision = "registrar_extensions_create_table"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    look_first()
    ensure_table(
        "registrar_extensions",
        Column("id", Id, primary_key=True),
        Column("customer_id", Id),
        *(Column(name, String(255)) for name in ("name", "detail", "endpoint_id", "aor_id", "auth_id")),
        *(Column(name, String(255)) for name in ("extension", "domain_name", "realm", "username", "password")),
        Column("ha1", CHAR(32)),
        Column("ha1_sha256", CHAR(64)),
        *(Column(name, Time) for name in ("tm_create", "tm_update", "tm_delete")),
    )
    ensure_index("idx_registrar_extensions_page", "registrar_extensions", "customer_id", "tm_create", "id")
    ensure_index("idx_registrar_extensions_endpoint", "registrar_extensions", "endpoint_id")
    ensure_index("idx_registrar_extensions_realm", "registrar_extensions", "realm")


def downgrade() -> None:
    drop_table("registrar_extensions")
