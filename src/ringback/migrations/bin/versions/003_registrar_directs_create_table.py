"""Direct addresses of extensions."""

from sqlalchemy import Column, String

from ringback.kit.columns import Id, Time
from ringback.migrations.ddl import drop_table, ensure_index, ensure_table

revision = "registrar_directs_create_table"
down_revision = "registrar_sip_auths_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    ensure_table(
        "registrar_directs",
        Column("id", Id, primary_key=True),
        Column("customer_id", Id),
        Column("extension_id", Id),
        Column("hash", String(255)),
        *(Column(name, Time) for name in ("tm_create", "tm_update", "tm_delete")),
    )
    ensure_index("idx_registrar_directs_customer_id", "registrar_directs", "customer_id")


def downgrade() -> None:
    drop_table("registrar_directs")
