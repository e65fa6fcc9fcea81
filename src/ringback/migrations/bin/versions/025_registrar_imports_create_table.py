"""Imports of many extensions or trunks that are not finished, and their rows."""

from sqlalchemy import Column, Integer, String

from ringback.kit.columns import Id, Json, Time
from ringback.migrations.ddl import drop_table, ensure_index, make_table

revision = "registrar_imports_create_table"
down_revision = "customer_people_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "registrar_imports",
        Column("id", Id, primary_key=True),
        Column("customer_id", Id, nullable=False),
        Column("kind", String(16), nullable=False),
        Column("state", String(16), nullable=False),
        Column("done", Integer, nullable=False),
        Column("tm_create", Time, nullable=False),
        Column("tm_update", Time, nullable=False),
    )
    ensure_index("ux_registrar_imports_customer", "registrar_imports", "customer_id", "kind", unique=True)
    make_table(
        "registrar_import_rows",
        Column("import_id", Id, primary_key=True),
        Column("line", Integer, primary_key=True, autoincrement=False),
        Column("action", String(16), nullable=False),
        Column("object_id", Id, nullable=False),
        Column("data", Json, nullable=False),
    )


def downgrade() -> None:
    drop_table("registrar_import_rows")
    drop_table("registrar_imports")
