"""The audit log: entries come, and only what one tells of a deleted customer is ever taken out of it."""

from typing import Final

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, String

from ringback.kit.columns import Id, Json, Time
from ringback.migrations.ddl import dialect, drop_table, ensure_index, make_table

revision = "ringback_audit_create_table"
down_revision = "registrar_idempotency_keys_create_table"
branch_labels = None
depends_on = None

KEPT: Final = (
    "id", "customer_id", "tm", "actor", "identity", "source", "request_id", "action", "kind", "object_id", "changed",
)  # fmt: skip
BLANK: Final = ("address", "old_values", "new_values")


def upgrade() -> None:
    make_table(
        "ringback_audit",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("customer_id", Id),
        Column("tm", Time, nullable=False),
        Column("actor", String(255), nullable=False),
        Column("identity", String(255)),
        Column("source", String(16), nullable=False),
        Column("address", String(64)),
        Column("request_id", String(64)),
        Column("action", String(32), nullable=False),
        Column("kind", String(32), nullable=False),
        Column("object_id", Id, nullable=False),
        Column("changed", Json, nullable=False),
        Column("old_values", Json),
        Column("new_values", Json),
        sqlite_autoincrement=True,
    )
    ensure_index("idx_ringback_audit_customer", "ringback_audit", "customer_id", "id")
    ensure_index("idx_ringback_audit_object", "ringback_audit", "object_id", "id")
    for statement in GUARDS[dialect()]:
        op.execute(statement)


def blanks(same: str) -> str:
    """Whether an UPDATE takes out what an entry tells, and does nothing else."""
    return " AND ".join(
        [*(f"NEW.{name} {same} OLD.{name}" for name in KEPT), *(f"NEW.{name} IS NULL" for name in BLANK)]
    )


GONE: Final = (
    "EXISTS (SELECT 1 FROM registrar_customers AS customer "
    "WHERE customer.customer_id = OLD.customer_id AND customer.status = 'deleted')"
)
APPEND_ONLY: Final = "ringback_audit is append-only"
GUARDS: Final = {
    "sqlite": [
        f"CREATE TRIGGER IF NOT EXISTS ringback_audit_{name} BEFORE {action} ON ringback_audit "
        f"{when} BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END"
        for name, action, when in (
            ("update", "UPDATE", f"WHEN NOT ({blanks('IS')} AND {GONE})"),
            ("delete", "DELETE", ""),
            ("insert", "INSERT", "WHEN EXISTS (SELECT 1 FROM ringback_audit WHERE id = NEW.id)"),
        )
    ],
    "mysql": [
        statement
        for action, when in (("UPDATE", f"NOT ({blanks('<=>')} AND {GONE})"), ("DELETE", "TRUE"))
        for statement in (
            f"DROP TRIGGER IF EXISTS ringback_audit_{action.lower()}",
            f"CREATE TRIGGER ringback_audit_{action.lower()} BEFORE {action} ON ringback_audit FOR EACH ROW "
            f"IF {when} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{APPEND_ONLY}'; END IF",
        )
    ],
    "postgresql": [
        f"""
        CREATE OR REPLACE FUNCTION ringback_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ DECLARE gone boolean; BEGIN
            IF TG_OP = 'UPDATE' THEN EXECUTE
                'SELECT EXISTS (SELECT 1 FROM ' || quote_ident(TG_TABLE_SCHEMA) ||
                '.registrar_customers WHERE customer_id = $1 AND status = ''deleted'')'
                INTO gone USING OLD.customer_id; IF gone AND {blanks("IS NOT DISTINCT FROM")}
                THEN RETURN NEW; END IF; END IF; RAISE EXCEPTION
                '{APPEND_ONLY}'; END $$
        """,  # noqa: S608
        """
        CREATE OR REPLACE TRIGGER ringback_audit_row BEFORE UPDATE OR DELETE ON ringback_audit
        FOR EACH ROW EXECUTE FUNCTION ringback_audit_refuse()
        """,
        """
        CREATE OR REPLACE TRIGGER ringback_audit_truncate BEFORE TRUNCATE ON ringback_audit
        FOR EACH STATEMENT EXECUTE FUNCTION ringback_audit_refuse()
        """,
    ],
}


def downgrade() -> None:
    drop_table("ringback_audit")
    if dialect() == "postgresql":
        op.execute("DROP FUNCTION IF EXISTS ringback_audit_refuse()")
