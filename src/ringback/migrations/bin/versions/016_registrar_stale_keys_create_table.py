"""Keys of other services' caches that are to be deleted."""

from sqlalchemy import BigInteger, Column, Integer, String

from ringback.kit.columns import Json, Time
from ringback.migrations.ddl import drop_table, ensure_index, make_table

revision = "registrar_stale_keys_create_table"
down_revision = "registrar_extensions_take_over_rows"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "registrar_stale_keys",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("names", Json, nullable=False),
        Column("run", String(64), nullable=False, server_default=""),
        Column("tm_create", Time, nullable=False),
        sqlite_autoincrement=True,
    )
    ensure_index("idx_registrar_stale_keys_run", "registrar_stale_keys", "run", "id")


def downgrade() -> None:
    drop_table("registrar_stale_keys")
