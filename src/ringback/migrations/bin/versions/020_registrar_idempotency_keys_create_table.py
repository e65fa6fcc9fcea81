"""What was answered to requests that may be sent again."""

from sqlalchemy import CHAR, Column, Text
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from ringback.kit.columns import Time
from ringback.migrations.ddl import drop_table, ensure_index, make_table

revision = "registrar_idempotency_keys_create_table"
down_revision = "registrar_outbox_add_index_waiting"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "registrar_idempotency_keys",
        Column("key_hash", CHAR(64), primary_key=True),
        Column("fingerprint", CHAR(64), nullable=False),
        Column("answer", Text().with_variant(MEDIUMTEXT(), "mysql"), nullable=False),
        Column("tm_create", Time, nullable=False),
    )
    ensure_index("idx_registrar_idempotency_keys_age", "registrar_idempotency_keys", "tm_create")


def downgrade() -> None:
    drop_table("registrar_idempotency_keys")
