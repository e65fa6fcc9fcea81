"""What is to be taken out of the audit log: the data of people who are gone, and entries that were kept long enough."""

from alembic import op
from sqlalchemy import BigInteger, Column

from ringback.kit.columns import Id, Time
from ringback.migrations.append_only import OF_GONE_CUSTOMER, OF_GONE_PERSON, TOLD_AS_REMOVED, guards
from ringback.migrations.ddl import dialect, drop_table, make_table

revision = "ringback_audit_removals_create_table"
down_revision = "customer_sessions_add_columns_seen"
branch_labels = None
depends_on = None


def upgrade() -> None:
    make_table(
        "ringback_audit_erasures",
        Column("object_id", Id, primary_key=True),
        Column("tm_create", Time, nullable=False),
    )
    make_table(
        "ringback_audit_removals",
        Column("id", Id, primary_key=True),
        Column("last_number", BigInteger, nullable=False),
        Column("tm_until", Time, nullable=False),
        Column("tm_create", Time, nullable=False),
    )
    blank = f"{OF_GONE_CUSTOMER} OR {OF_GONE_PERSON}"
    for statement in guards(dialect(), may_be_blank=blank, may_go=TOLD_AS_REMOVED):
        op.execute(statement)


def downgrade() -> None:
    for statement in guards(dialect(), may_be_blank=OF_GONE_CUSTOMER):
        op.execute(statement)
    drop_table("ringback_audit_removals")
    drop_table("ringback_audit_erasures")
