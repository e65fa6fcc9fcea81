"""People who sign in, their sessions, and their failed tries."""

from sqlalchemy import CHAR, Column, Integer, String

from ringback.kit.columns import Id, Json, Time
from ringback.migrations.ddl import drop_table, ensure_index, make_table

revision = "customer_people_create_table"
down_revision = "ringback_customers_create_table"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "customer_people",
        Column("id", Id, primary_key=True),
        Column("customer_id", Id),
        Column("email", String(254), nullable=False),
        Column("name", String(255), nullable=False),
        Column("roles", Json, nullable=False),
        Column("status", String(16), nullable=False),
        Column("password_hash", String(255), nullable=False),
        Column("tm_create", Time, nullable=False),
        Column("tm_update", Time),
    )
    ensure_index("ux_customer_people_email", "customer_people", "email", unique=True)
    ensure_index("idx_customer_people_customer", "customer_people", "customer_id", "tm_create")
    make_table(
        "customer_sessions",
        Column("id", Id, primary_key=True),
        Column("person_id", Id, nullable=False),
        Column("family_hash", CHAR(64), nullable=False),
        Column("refresh_hash", CHAR(64), nullable=False),
        Column("tm_create", Time, nullable=False),
        Column("tm_expire", Time, nullable=False),
    )
    ensure_index("idx_customer_sessions_person", "customer_sessions", "person_id")
    ensure_index("idx_customer_sessions_end", "customer_sessions", "tm_expire")
    make_table(
        "customer_sign_in_failures",
        Column("email_hash", CHAR(64), primary_key=True),
        Column("failures", Integer, nullable=False),
        Column("tm_begin", Time, nullable=False),
    )
    ensure_index("idx_customer_sign_in_failures_begin", "customer_sign_in_failures", "tm_begin")


def downgrade() -> None:
    drop_table("customer_sign_in_failures")
    drop_table("customer_sessions")
    drop_table("customer_people")
