"""What became of each phone's contacts, for a while."""

from sqlalchemy import CHAR, Column, Integer, String, Text

from ringback.kit.columns import Id, Time
from ringback.migrations.ddl import drop_table, ensure_index, make_table

revision = "registrar_contact_history_create_table"
down_revision = "ringback_routes_create_views"
branch_labels = None
depends_on = None

TABLE = "registrar_contact_history"


def upgrade() -> None:
    make_table(
        TABLE,
        Column("id", Id, primary_key=True),
        Column("customer_id", Id, nullable=False),
        Column("extension_id", Id, nullable=False),
        Column("event", String(16), nullable=False),
        Column("cause", String(32), nullable=False),
        Column("contact", CHAR(32), nullable=False),
        Column("uri", String(511), nullable=False),
        Column("transport", String(32), nullable=False),
        Column("user_agent", String(255), nullable=False),
        Column("via_addr", String(40), nullable=False),
        Column("via_port", Integer, nullable=False),
        Column("path", Text, nullable=False),
        Column("reg_server", String(255), nullable=False),
        Column("tm_create", Time, nullable=False),
    )
    ensure_index(f"idx_{TABLE}_page", TABLE, "extension_id", "tm_create", "id")
    ensure_index(f"idx_{TABLE}_customer", TABLE, "customer_id", "id")
    ensure_index(f"idx_{TABLE}_age", TABLE, "tm_create")


def downgrade() -> None:
    drop_table(TABLE)
