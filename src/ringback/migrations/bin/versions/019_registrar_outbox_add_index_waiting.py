"""Events wait for their publisher's bus: an index that knows whose they are."""

from ringback.migrations.ddl import drop_index, ensure_index, require_own

revision = "registrar_outbox_add_index_waiting"
down_revision = "registrar_customers_add_column_tm_status"
branch_labels = None
depends_on = None


def upgrade() -> None:
    ensure_index("idx_registrar_outbox_waiting", "registrar_outbox", "tm_publish", "publisher", "id")
    drop_index("idx_registrar_outbox_publish", "registrar_outbox")


def downgrade() -> None:
    require_own()
    ensure_index("idx_registrar_outbox_publish", "registrar_outbox", "tm_publish", "id")
    drop_index("idx_registrar_outbox_waiting", "registrar_outbox")
