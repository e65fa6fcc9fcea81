"""The registry of router extensions: records, revisions, audit, health, policies, nodes, and its head."""

from typing import Any, Final

from alembic import op
from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Double,
    ForeignKeyConstraint,
    Integer,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects import mysql

from ringback.kit.columns import Json, Moment
from ringback.migrations.ddl import dialect, ensure_index, make_table

revision = "registry_create_tables"
down_revision = None
branch_labels = None
depends_on = None

TABLES: Final = (
    "router_nodes", "router_policies", "registry_revision", "extension_revisions", "extension_health",
    "extension_audit_log", "extensions",
)  # fmt: skip
ZEROS: Final = "0" * 64


def word(length: int) -> Any:
    return String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql")


def long() -> Any:
    return Text().with_variant(mysql.LONGTEXT(), "mysql")


def number(name: str, default: str | None = None, **more: Any) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=default and text(default), **more)


def flag(name: str, default: str) -> Column[bool]:
    return Column(name, Boolean(create_constraint=False), nullable=False, server_default=text(default))


def document(name: str) -> Column[Any]:
    return Column(name, Json, nullable=False, server_default=text("('{}')" if dialect() == "mysql" else "'{}'"))


def now(name: str) -> Column[Any]:
    stamp = text("CURRENT_TIMESTAMP(6)") if dialect() == "mysql" else func.current_timestamp()
    return Column(name, Moment, nullable=False, server_default=stamp)


def is_json(table: str, *names: str) -> list[CheckConstraint]:
    """Where the engine has no type for it."""
    if dialect() != "sqlite":
        return []
    return [CheckConstraint(f"{name} IS NULL OR json_valid({name})", name=f"ck_{table}_{name}") for name in names]


def upgrade() -> None:
    make_table(
        "extensions",
        Column("id", word(255), primary_key=True),
        Column("type", word(50), nullable=False),
        Column("subject", word(255), nullable=False),
        Column("timeout_ms", Integer, nullable=False, server_default=text("5000")),
        Column("retry", Integer, nullable=False, server_default=text("1")),
        flag("enabled", "true"),
        document("config"),
        document("metadata"),
        flag("share_subject", "false"),
        Column(
            "subject_key",
            word(255),
            Computed("CASE WHEN enabled AND deleted_at IS NULL AND NOT share_subject THEN subject END", persisted=True),
        ),
        Column("breaker_override", word(8)),
        number("revision", "1"),
        now("created_at"),
        Column("created_by", String(255)),
        now("updated_at"),
        Column("updated_by", String(255)),
        Column("deleted_at", Moment),
        rules=[
            CheckConstraint("type IN ('pre', 'validator', 'post', 'provider')", name="ck_extensions_type"),
            CheckConstraint(
                "timeout_ms BETWEEN 10 AND CASE WHEN type = 'provider' THEN 300000 ELSE 5000 END",
                name="ck_extensions_timeout_ms",
            ),
            CheckConstraint(
                "retry BETWEEN 0 AND CASE WHEN type = 'provider' THEN 5 ELSE 3 END", name="ck_extensions_retry"
            ),
            CheckConstraint("breaker_override IN ('open', 'closed')", name="ck_extensions_breaker_override"),
            *is_json("extensions", "config", "metadata"),
        ],
    )
    ensure_index("ux_extensions_subject_key", "extensions", "subject_key", unique=True)
    ensure_index("idx_extensions_type", "extensions", "type", "enabled", "id")
    ensure_index("idx_extensions_subject", "extensions", "subject")
    ensure_index("idx_extensions_updated_at", "extensions", "updated_at")
    _audit()
    _health()
    _revisions()
    _others()
    if dialect() == "postgresql":
        _comments()


def _audit() -> None:
    make_table(
        "extension_audit_log",
        number("id", primary_key=True, autoincrement=False),
        Column("entity", String(16), nullable=False),
        Column("extension_id", word(511), nullable=False),
        Column("action", String(32), nullable=False),
        Column("changed_by", String(255), nullable=False),
        Column("source", String(16), nullable=False),
        Column("request_id", String(255)),
        number("registry_revision"),
        Column("old_values", long()),
        Column("new_values", long()),
        Column("timestamp", Moment, nullable=False),
        Column("prev_hash", CHAR(64), nullable=False),
        Column("hash", CHAR(64), nullable=False),
    )
    ensure_index("idx_audit_extension_id", "extension_audit_log", "extension_id", "id")
    ensure_index("idx_audit_timestamp", "extension_audit_log", "timestamp")
    for statement in GUARDS[dialect()]:
        op.execute(statement)


def _health() -> None:
    make_table(
        "extension_health",
        Column("extension_id", word(255), primary_key=True),
        Column("node_id", word(255), primary_key=True, server_default=""),
        number("success_count", "0"),
        number("failure_count", "0"),
        Column("avg_latency_ms", Double),
        number("window_success", "0"),
        number("window_failure", "0"),
        *(Column(f"{name}_latency_ms", Double) for name in ("p50", "p95", "p99", "last")),
        number("latency_samples", "0"),
        document("histogram"),
        Column("last_success", Moment),
        Column("last_failure", Moment),
        Column("circuit_breaker_state", String(16)),
        Column("circuit_breaker_opened_at", Moment),
        Column("circuit_breaker_reason", String(32)),
        now("updated_at"),
        rules=[
            ForeignKeyConstraint(["extension_id"], ["extensions.id"], ondelete="CASCADE"),
            *is_json("extension_health", "histogram"),
        ],
    )


def _revisions() -> None:
    make_table(
        "extension_revisions",
        Column("extension_id", word(255), primary_key=True),
        number("revision", primary_key=True, autoincrement=False),
        number("registry_revision"),
        Column("action", String(32), nullable=False),
        Column("document", long(), nullable=False),
        Column("checksum", CHAR(64), nullable=False),
        Column("comment", long()),
        Column("created_at", Moment, nullable=False),
        Column("created_by", String(255), nullable=False),
    )
    ensure_index("idx_extension_revisions_registry_revision", "extension_revisions", "registry_revision")
    make_table(
        "registry_revision",
        Column("id", Integer, primary_key=True, autoincrement=False),
        number("revision"),
        Column("checksum", CHAR(64), nullable=False),
        number("audit_id"),
        Column("audit_hash", CHAR(64), nullable=False),
        now("updated_at"),
        rules=[CheckConstraint("id = 1", name="ck_registry_revision_id")],
    )
    op.execute(
        f"""
        INSERT INTO registry_revision (id, revision, checksum, audit_id, audit_hash)
        SELECT 1, 0, '{ZEROS}', 0, '{ZEROS}' WHERE NOT EXISTS (SELECT 1 FROM registry_revision)
        """  # noqa: S608
    )


def _others() -> None:
    make_table(
        "router_policies",
        Column("customer_id", word(64), primary_key=True),
        Column("policy_id", word(255), primary_key=True),
        document("document"),
        Column("purpose", String(32)),
        flag("enabled", "true"),
        number("revision", "1"),
        now("created_at"),
        Column("created_by", String(255)),
        now("updated_at"),
        Column("updated_by", String(255)),
        Column("deleted_at", Moment),
        rules=is_json("router_policies", "document"),
    )
    make_table(
        "router_nodes",
        Column("node_id", word(255), primary_key=True),
        number("applied_revision"),
        Column("checksum", CHAR(64), nullable=False),
        Column("source", String(16), nullable=False),
        Column("nack", Json),
        Column("last_seen", Moment, nullable=False),
        rules=is_json("router_nodes", "nack"),
    )


def _comments() -> None:
    op.execute("COMMENT ON TABLE extensions IS 'Router extensions: outside processors of a request'")
    for column, words in {
        "type": "pre, validator, post or provider",
        "subject": "The NATS subject it is reached on",
        "config": "What it is told with each request: a JSON object, secrets by reference only",
        "metadata": "What people and the router know of it: a JSON object",
    }.items():
        op.execute(f"COMMENT ON COLUMN extensions.{column} IS '{words}'")


APPEND_ONLY: Final = "extension_audit_log is append-only"
GUARDS: Final = {
    "sqlite": [
        f"CREATE TRIGGER IF NOT EXISTS extension_audit_log_{name} BEFORE {action} ON extension_audit_log "
        f"{when} BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END"
        for name, action, when in (
            ("update", "UPDATE", ""),
            ("delete", "DELETE", ""),
            ("insert", "INSERT", "WHEN EXISTS (SELECT 1 FROM extension_audit_log WHERE id = NEW.id)"),
        )
    ],
    "mysql": [
        statement
        for action in ("UPDATE", "DELETE")
        for statement in (
            f"DROP TRIGGER IF EXISTS extension_audit_log_{action.lower()}",
            f"CREATE TRIGGER extension_audit_log_{action.lower()} BEFORE {action} ON extension_audit_log "
            f"FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{APPEND_ONLY}'",
        )
    ],
    "postgresql": [
        f"""
        CREATE OR REPLACE FUNCTION extension_audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{APPEND_ONLY}'; END $$
        """,
        """
        CREATE OR REPLACE TRIGGER extension_audit_log_row BEFORE UPDATE OR DELETE ON extension_audit_log
        FOR EACH ROW EXECUTE FUNCTION extension_audit_log_refuse()
        """,
        """
        CREATE OR REPLACE TRIGGER extension_audit_log_truncate BEFORE TRUNCATE ON extension_audit_log
        FOR EACH STATEMENT EXECUTE FUNCTION extension_audit_log_refuse()
        """,
    ],
}


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table, if_exists=True)
    if dialect() == "postgresql":
        op.execute("DROP FUNCTION IF EXISTS extension_audit_log_refuse()")
