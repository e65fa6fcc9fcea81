"""Setup links: by which phones are set up, once."""

from sqlalchemy import CHAR, Column

from ringback.kit.columns import Id, Time
from ringback.migrations.ddl import drop_table, ensure_index, make_table

revision = "registrar_setup_links_create_table"
down_revision = "registrar_contact_states_add_column_path"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "registrar_setup_links",
        Column("extension_id", Id, primary_key=True),
        Column("token_hash", CHAR(64), nullable=False),
        Column("tm_create", Time, nullable=False),
        Column("tm_expire", Time, nullable=False),
    )
    ensure_index("ux_registrar_setup_links_token", "registrar_setup_links", "token_hash", unique=True)
    ensure_index("idx_registrar_setup_links_end", "registrar_setup_links", "tm_expire")


def downgrade() -> None:
    drop_table("registrar_setup_links")
