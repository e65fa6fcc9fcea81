"""Events of others that could not be followed."""

from sqlalchemy import Column, String, Text
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from ringback.kit.columns import Id, Time
from ringback.migrations.ddl import drop_table, make_table

revision = "registrar_dead_events_create_table"
down_revision = "registrar_strays_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "registrar_dead_events",
        Column("id", Id, primary_key=True),
        *(Column(name, String(64), nullable=False) for name in ("publisher", "event_type")),
        Column("payload", Text().with_variant(MEDIUMTEXT(), "mysql"), nullable=False),
        Column("error", String(255), nullable=False),
        Column("tm_create", Time, nullable=False),
    )


def downgrade() -> None:
    drop_table("registrar_dead_events")
