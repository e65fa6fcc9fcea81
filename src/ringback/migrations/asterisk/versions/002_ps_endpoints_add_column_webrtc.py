"""Browsers as phones: the column that Asterisk's own tables have for them."""

from sqlalchemy import Column, String

from ringback.migrations.ddl import columns_of, dialect, drop_column, ensure_column

revision = "ps_endpoints_add_column_webrtc"
down_revision = "ps_tables_create_table"
branch_labels = None
depends_on = None

TABLE, COLUMN = "ps_endpoints", "webrtc"
ASTERISKS = "identify_by"
"""A column of the table that Asterisk's own migrations make, and ours do not."""


def upgrade() -> None:
    """For Asterisk's SQLite driver no column that it reads as yes or no may be NULL."""
    elsewhere = Column(COLUMN, String(5))
    settled = Column(COLUMN, String(5), nullable=False, server_default="no")
    ensure_column(TABLE, settled if dialect() == "sqlite" else elsewhere)


def downgrade() -> None:
    if ASTERISKS not in columns_of(TABLE):
        drop_column(TABLE, COLUMN)
