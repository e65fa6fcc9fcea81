"""Which version of an extension's contacts is today's."""

from sqlalchemy import CHAR, Column

from ringback.migrations.ddl import drop_column, ensure_column

revision = "registrar_extensions_add_column_contacts_version"
down_revision = "registrar_stale_keys_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    ensure_column("registrar_extensions", Column("contacts_version", CHAR(32)))


def downgrade() -> None:
    drop_column("registrar_extensions", "contacts_version")
