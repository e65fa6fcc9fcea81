"""What Asterisk tells of calls, and the calls that are made of it."""

from sqlalchemy import BigInteger, Column, Identity, Integer, String

from ringback.kit.columns import Id, Time
from ringback.migrations.ddl import drop_table, ensure_index, make_table

revision = "ringback_calls_create_tables"
down_revision = "registrar_contact_history_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "ringback_channel_events",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
        Column("eventtype", String(32)),
        Column("eventtime", String(32)),
        Column("cid_num", String(80)),
        Column("exten", String(80)),
        Column("channame", String(255)),
        Column("uniqueid", String(150)),
        Column("linkedid", String(150)),
        Column("extra", String(512)),
    )
    make_table(
        "ringback_calls",
        Column("id", Id, primary_key=True),
        Column("customer_id", Id, nullable=False),
        Column("server", String(150), nullable=False),
        Column("linkedid", String(150), nullable=False),
        Column("state", String(16), nullable=False),
        Column("direction", String(16), nullable=False),
        Column("caller", String(255), nullable=False),
        Column("called", String(255), nullable=False),
        Column("caller_extension_id", Id),
        Column("called_extension_id", Id),
        Column("tm_create", Time, nullable=False),
        Column("tm_answer", Time),
        Column("tm_end", Time),
        Column("cause", Integer),
        Column("reason", String(40), nullable=False),
        Column("ended_by", String(16), nullable=False),
    )
    for name, columns in INDEXES.items():
        ensure_index(name, "ringback_calls", *columns, unique=name.startswith("ux_"))


INDEXES = {
    "ux_ringback_calls_linked": ("linkedid",),
    "idx_ringback_calls_page": ("customer_id", "tm_create", "id"),
    "idx_ringback_calls_caller": ("caller_extension_id", "tm_create"),
    "idx_ringback_calls_called": ("called_extension_id", "tm_create"),
    "idx_ringback_calls_open": ("state", "server"),
    "idx_ringback_calls_age": ("tm_create",),
}


def downgrade() -> None:
    drop_table("ringback_calls")
    drop_table("ringback_channel_events")
