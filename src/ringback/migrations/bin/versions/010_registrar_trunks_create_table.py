"""Trunks."""

from sqlalchemy import CHAR, Column, String

from ringback.kit.columns import Id, Json, Time
from ringback.migrations.ddl import drop_table, ensure_index, ensure_table

revision = "registrar_trunks_create_table"
down_revision = "ringback_directs_create_view"
branch_labels = None
depends_on = None


def upgrade() -> None:
    ensure_table(
        "registrar_trunks",
        Column("id", Id, primary_key=True),
        Column("customer_id", Id),
        *(Column(name, String(255)) for name in ("name", "detail", "domain_name")),
        Column("auth_types", Json),
        *(Column(name, String(255)) for name in ("realm", "username", "password")),
        Column("allowed_ips", Json),
        Column("ha1", CHAR(32)),
        Column("ha1_sha256", CHAR(64)),
        *(Column(name, Time) for name in ("tm_create", "tm_update", "tm_delete")),
    )
    ensure_index("idx_registrar_trunks_page", "registrar_trunks", "customer_id", "tm_create", "id")
    ensure_index("idx_registrar_trunks_realm", "registrar_trunks", "realm")


def downgrade() -> None:
    drop_table("registrar_trunks")
