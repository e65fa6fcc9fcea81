"""Keys of customers and of the platform."""

from sqlalchemy import CHAR, Column, String

from ringback.kit.columns import Id, Json, Time
from ringback.migrations.ddl import drop_table, ensure_index, make_table

revision = "registrar_accesskeys_create_table"
down_revision = "registrar_outbox_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "registrar_accesskeys",
        Column("id", Id, primary_key=True),
        Column("customer_id", Id),
        Column("name", String(255)),
        Column("token_hash", CHAR(64), nullable=False),
        Column("token_prefix", String(16), nullable=False),
        Column("roles", Json, nullable=False),
        Column("scopes", Json),
        Column("source_cidrs", Json),
        *(Column(name, Time) for name in ("tm_expire", "tm_revoke", "tm_last_use")),
        *(Column(name, Time) for name in ("tm_create", "tm_update", "tm_delete")),
    )
    ensure_index("ux_registrar_accesskeys_token", "registrar_accesskeys", "token_hash", unique=True)


def downgrade() -> None:
    drop_table("registrar_accesskeys")
