"""Credentials that the SIP edge reads."""

from sqlalchemy import CHAR, Column, String

from ringback.kit.columns import Id, Json, Time
from ringback.migrations.ddl import drop_table, ensure_table

revision = "registrar_sip_auths_create_table"
down_revision = "registrar_extensions_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    ensure_table(
        "registrar_sip_auths",
        Column("id", Id, primary_key=True),
        Column("reference_type", String(255)),
        Column("auth_types", Json),
        *(Column(name, String(255)) for name in ("realm", "username", "password")),
        Column("allowed_ips", Json),
        Column("ha1", CHAR(32)),
        Column("ha1_sha256", CHAR(64)),
        Column("tm_create", Time),
        Column("tm_update", Time),
    )


def downgrade() -> None:
    drop_table("registrar_sip_auths")
