"""By which way a contact is reached, and which contacts expire next."""

from sqlalchemy import Column, Text

from ringback.migrations.ddl import drop_column, drop_index, ensure_column, ensure_index

revision = "registrar_contact_states_add_column_path"
down_revision = "ringback_audit_removals_create_table"
branch_labels = None
depends_on = None

EXPIRY = "idx_registrar_contact_states_expiration"


def upgrade() -> None:
    ensure_column("registrar_contact_states", Column("path", Text))
    ensure_index(EXPIRY, "registrar_contact_states", "expiration_time")


def downgrade() -> None:
    drop_index(EXPIRY, "registrar_contact_states")
    drop_column("registrar_contact_states", "path")
