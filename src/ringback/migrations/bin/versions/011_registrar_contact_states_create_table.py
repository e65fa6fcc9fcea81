"""Which contacts were live when we last looked."""

from sqlalchemy import BigInteger, Column, Integer, String

from ringback.kit.columns import Id
from ringback.migrations.ddl import drop_table, ensure_index, make_table

revision = "registrar_contact_states_create_table"
down_revision = "registrar_trunks_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "registrar_contact_states",
        Column("id", String(255), primary_key=True),
        Column("extension_id", Id, nullable=False),
        Column("uri", String(511)),
        Column("user_agent", String(255)),
        Column("via_addr", String(40)),
        Column("via_port", Integer),
        Column("reg_server", String(255)),
        Column("call_id", String(255)),
        Column("expiration_time", BigInteger, nullable=False),
    )
    ensure_index("idx_registrar_contact_states_extension", "registrar_contact_states", "extension_id")


def downgrade() -> None:
    drop_table("registrar_contact_states")
