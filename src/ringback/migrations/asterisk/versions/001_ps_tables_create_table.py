"""Asterisk's realtime tables, in the form that its SQLite driver needs: no number may be NULL."""

from alembic import op
from sqlalchemy import BigInteger, Column, Float, Integer, String, Text

DIGESTS = ("password_digest", "supported_algorithms_uas", "supported_algorithms_uac")
YES_NO = ("authenticate_qualify", "prune_on_boot", "qualify_2xx_only")

revision = "ps_tables_create_table"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ps_endpoints",
        Column("id", String(255), primary_key=True),
        Column("aors", String(2048)),
        Column("auth", String(255)),
        Column("allow", String(200), nullable=False, server_default="ulaw,alaw,g722"),
        Column("direct_media", String(5), nullable=False, server_default="no"),
    )
    op.create_table(
        "ps_aors",
        Column("id", String(255), primary_key=True),
        Column("max_contacts", Integer, nullable=False, server_default="0"),
        Column("remove_existing", String(5), nullable=False, server_default="no"),
    )
    op.create_table(
        "ps_auths",
        Column("id", String(255), primary_key=True),
        Column("auth_type", String(20)),
        Column("username", String(40)),
        Column("realm", String(255)),
        Column("password", String(80)),
        Column("md5_cred", String(40)),
        *(Column(f"{name}", String(1024)) for name in DIGESTS),
    )
    op.create_table(
        "ps_contacts",
        Column("id", String(255), primary_key=True),
        Column("uri", String(511)),
        Column("expiration_time", BigInteger, nullable=False, server_default="0"),
        Column("qualify_frequency", Integer, nullable=False, server_default="0"),
        Column("qualify_timeout", Float, nullable=False, server_default="3.0"),
        *(Column(name, String(5), nullable=False, server_default="no") for name in YES_NO),
        *(Column(name, String(255)) for name in ("outbound_proxy", "user_agent", "endpoint", "reg_server", "call_id")),
        Column("path", Text),
        Column("via_addr", String(40)),
        Column("via_port", Integer, nullable=False, server_default="0"),
    )
    op.create_index("idx_ps_contacts_endpoint", "ps_contacts", ["endpoint"])


def downgrade() -> None:
    for table in ("ps_contacts", "ps_auths", "ps_aors", "ps_endpoints"):
        op.drop_table(table)
