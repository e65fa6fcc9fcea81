"""The router's tables (router 2)."""

from typing import Final

from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects import mysql

from ringback.kit.columns import Json, Moment
from ringback.kit.db import OWN
from ringback.kit.rights import WRITES, Wanted

metadata = MetaData(schema=OWN)


def word(length: int) -> String:
    """Text that is compared byte by byte on every engine."""
    return String(length).with_variant(mysql.VARCHAR(length, collation="utf8mb4_bin"), "mysql", "mariadb")


LONG: Final = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
OBJECT: Final = text("'{}'")
CONFIG: Final = "What it is told with each request: a JSON object, secrets by reference only"
METADATA: Final = "What people and the router know of it: a JSON object"
BOUNDS: Final = (
    ("timeout_ms", "timeout_ms BETWEEN 10 AND CASE WHEN type = 'provider' THEN 300000 ELSE 5000 END"),
    ("retry", "retry BETWEEN 0 AND CASE WHEN type = 'provider' THEN 5 ELSE 3 END"),
    ("type", "type IN ('pre', 'validator', 'post', 'provider')"),
    ("breaker_override", "breaker_override IN ('open', 'closed')"),
)
"""Rules of `extensions`, as every engine understands them."""
SUBJECT_KEY: Final = "CASE WHEN enabled AND deleted_at IS NULL AND NOT share_subject THEN subject END"


def is_json(table: str, *names: str) -> list[CheckConstraint]:
    """Where the engine has no type for it."""
    rules = {name: f"{name} IS NULL OR json_valid({name})" for name in names}
    return [CheckConstraint(rule, name=f"ck_{table}_{name}").ddl_if(dialect="sqlite") for name, rule in rules.items()]


extensions = Table(
    "extensions",
    metadata,
    Column("id", word(255), primary_key=True),
    Column("type", word(50), nullable=False, comment="pre, validator, post or provider"),
    Column("subject", word(255), nullable=False, comment="The NATS subject it is reached on"),
    Column("timeout_ms", Integer, nullable=False, server_default=text("5000")),
    Column("retry", Integer, nullable=False, server_default=text("1")),
    Column("enabled", Boolean(create_constraint=False), nullable=False, server_default=text("true")),
    Column("config", Json, nullable=False, server_default=OBJECT, comment=CONFIG),
    Column("metadata", Json, nullable=False, server_default=OBJECT, comment=METADATA),
    Column("share_subject", Boolean(create_constraint=False), nullable=False, server_default=text("false")),
    Column("subject_key", word(255), Computed(SUBJECT_KEY, persisted=True)),
    Column("breaker_override", word(8)),
    Column("revision", BigInteger, nullable=False, server_default=text("1")),
    Column("created_at", Moment, nullable=False, server_default=func.current_timestamp()),
    Column("created_by", String(255)),
    Column("updated_at", Moment, nullable=False, server_default=func.current_timestamp()),
    Column("updated_by", String(255)),
    Column("deleted_at", Moment),
    *(CheckConstraint(rule, name=f"ck_extensions_{name}") for name, rule in BOUNDS),
    *is_json("extensions", "config", "metadata"),
    Index("ux_extensions_subject_key", "subject_key", unique=True),
    Index("idx_extensions_type", "type", "enabled", "id"),
    Index("idx_extensions_subject", "subject"),
    Index("idx_extensions_updated_at", "updated_at"),
    comment="Router extensions: outside processors of a request",
)

audit_log = Table(
    "extension_audit_log",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("entity", String(16), nullable=False),
    Column("extension_id", word(511), nullable=False),
    Column("action", String(32), nullable=False),
    Column("changed_by", String(255), nullable=False),
    Column("source", String(16), nullable=False),
    Column("request_id", String(255)),
    Column("registry_revision", BigInteger, nullable=False),
    Column("old_values", LONG),
    Column("new_values", LONG),
    Column("timestamp", Moment, nullable=False),
    Column("prev_hash", CHAR(64), nullable=False),
    Column("hash", CHAR(64), nullable=False),
    Index("idx_audit_extension_id", "extension_id", "id"),
    Index("idx_audit_timestamp", "timestamp"),
)

health = Table(
    "extension_health",
    metadata,
    Column("extension_id", word(255), ForeignKey("extensions.id", ondelete="CASCADE"), primary_key=True),
    Column("node_id", word(255), primary_key=True, server_default=""),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in ("success_count", "failure_count")
    ),
    Column("avg_latency_ms", Double),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in ("window_success", "window_failure")
    ),
    *(Column(f"{name}_latency_ms", Double) for name in ("p50", "p95", "p99", "last")),
    Column("latency_samples", BigInteger, nullable=False, server_default=text("0")),
    Column("histogram", Json, nullable=False, server_default=OBJECT),
    Column("last_success", Moment),
    Column("last_failure", Moment),
    Column("circuit_breaker_state", String(16)),
    Column("circuit_breaker_opened_at", Moment),
    Column("circuit_breaker_reason", String(32)),
    Column("updated_at", Moment, nullable=False, server_default=func.current_timestamp()),
    *is_json("extension_health", "histogram"),
)

revisions = Table(
    "extension_revisions",
    metadata,
    Column("extension_id", word(255), primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("registry_revision", BigInteger, nullable=False),
    Column("action", String(32), nullable=False),
    Column("document", LONG, nullable=False),
    Column("checksum", CHAR(64), nullable=False),
    Column("comment", LONG),
    Column("created_at", Moment, nullable=False),
    Column("created_by", String(255), nullable=False),
    Index("idx_extension_revisions_registry_revision", "registry_revision"),
)

registry_revision = Table(
    "registry_revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("checksum", CHAR(64), nullable=False),
    Column("audit_id", BigInteger, nullable=False),
    Column("audit_hash", CHAR(64), nullable=False),
    Column("updated_at", Moment, nullable=False, server_default=func.current_timestamp()),
    CheckConstraint("id = 1", name="ck_registry_revision_id"),
)

policies = Table(
    "router_policies",
    metadata,
    Column("customer_id", word(64), primary_key=True),
    Column("policy_id", word(255), primary_key=True),
    Column("document", Json, nullable=False, server_default=OBJECT),
    Column("purpose", String(32)),
    Column("enabled", Boolean(create_constraint=False), nullable=False, server_default=text("true")),
    Column("revision", BigInteger, nullable=False, server_default=text("1")),
    Column("created_at", Moment, nullable=False, server_default=func.current_timestamp()),
    Column("created_by", String(255)),
    Column("updated_at", Moment, nullable=False, server_default=func.current_timestamp()),
    Column("updated_by", String(255)),
    Column("deleted_at", Moment),
    Column("registry_revision", BigInteger, nullable=False, server_default=text("0")),
    Column("fails", String(8)),
    Column("deadline_ms", Integer),
    *is_json("router_policies", "document"),
    Index("idx_router_policies_registry_revision", "registry_revision"),
)

nodes = Table(
    "router_nodes",
    metadata,
    Column("node_id", word(255), primary_key=True),
    Column("applied_revision", BigInteger, nullable=False),
    Column("checksum", CHAR(64), nullable=False),
    Column("source", String(16), nullable=False),
    Column("nack", Json),
    Column("last_seen", Moment, nullable=False),
    *is_json("router_nodes", "nack"),
)

ADDS: Final = ("SELECT", "INSERT")
RIGHTS: Final[Wanted] = {
    **dict.fromkeys((extensions, health, policies, nodes), WRITES),
    audit_log: ADDS,
    revisions: (*ADDS, "DELETE"),
    registry_revision: ("SELECT", "UPDATE"),
}
"""What a router needs to do; a purge deletes revisions, and nothing changes what was added to the log."""
