"""The router's tables as a client of the database finds them (section 2 of the contract), and what they refuse."""

import re
from contextlib import closing
from typing import Any, Final

import pytest
from sqlalchemy import Engine, create_engine, inspect, make_url, pool

from ringback.kit.sqlite import connect
from tests.live.schemas import engine_at
from tests.router.conftest import Node
from tests.router.grounds import File, Ground, OnServer

WRITTEN: Final = """
extensions
  id                id(255)    key
  type              id(50)
  subject           id(255)
  timeout_ms        int        5000
  retry             int        1
  enabled           flag       true
  config            json       {}
  metadata          json       {}
  share_subject     flag       false
  subject_key       id(255)    null
  breaker_override  id(8)      null
  revision          big        1
  created_at        time       now
  created_by        words(255) null
  updated_at        time       now
  updated_by        words(255) null
  deleted_at        time       null
  unique ux_extensions_subject_key (subject_key)
  index idx_extensions_type (type, enabled, id)
  index idx_extensions_subject (subject)
  index idx_extensions_updated_at (updated_at)
extension_audit_log
  id                big        key
  entity            words(16)
  extension_id      id(511)
  action            words(32)
  changed_by        words(255)
  source            words(16)
  request_id        words(255) null
  registry_revision big
  old_values        text       null
  new_values        text       null
  timestamp         time
  prev_hash         hash
  hash              hash
  index idx_audit_extension_id (extension_id, id)
  index idx_audit_timestamp (timestamp)
extension_health
  extension_id      id(255)    key
  node_id           id(255)    key ''
  success_count     big        0
  failure_count     big        0
  avg_latency_ms    real       null
  window_success    big        0
  window_failure    big        0
  p50_latency_ms    real       null
  p95_latency_ms    real       null
  p99_latency_ms    real       null
  last_latency_ms   real       null
  latency_samples   big        0
  histogram         json       {}
  last_success      time       null
  last_failure      time       null
  circuit_breaker_state     words(16) null
  circuit_breaker_opened_at time      null
  circuit_breaker_reason    words(32) null
  updated_at        time       now
  extension_id -> extensions.id CASCADE
extension_revisions
  extension_id      id(255)    key
  revision          big        key
  registry_revision big
  action            words(32)
  document          text
  checksum          hash
  comment           text       null
  created_at        time
  created_by        words(255)
  index idx_extension_revisions_registry_revision (registry_revision)
registry_revision
  id                int        key
  revision          big
  checksum          hash
  audit_id          big
  audit_hash        hash
  updated_at        time       now
router_policies
  customer_id       id(64)     key
  policy_id         id(255)    key
  document          json       {}
  purpose           words(32)  null
  enabled           flag       true
  revision          big        1
  created_at        time       now
  created_by        words(255) null
  updated_at        time       now
  updated_by        words(255) null
  deleted_at        time       null
  registry_revision big        0
  fails             words(8)   null
  deadline_ms       int        null
  index idx_router_policies_registry_revision (registry_revision)
router_nodes
  node_id           id(255)    key
  applied_revision  big
  checksum          hash
  source            words(16)
  nack              json       null
  last_seen         time
"""
CHECKED: Final = {
    "extensions": {
        "ck_extensions_type",
        "ck_extensions_timeout_ms",
        "ck_extensions_retry",
        "ck_extensions_breaker_override",
    },
    "registry_revision": {"ck_registry_revision_id"},
}
JSON: Final = {
    "extensions": ("config", "metadata"),
    "extension_health": ("histogram",),
    "router_policies": ("document",),
    "router_nodes": ("nack",),
}
"""Where an engine that has no type for it has a check."""
KINDS: Final = {
    "sqlite": {
        "id": "VARCHAR({})", "words": "VARCHAR({})", "int": "INTEGER", "big": "BIGINT", "flag": "BOOLEAN",
        "json": "TEXT", "time": "TEXT", "text": "TEXT", "hash": "CHAR(64)", "real": "DOUBLE",
    },
    "mysql": {
        "id": "VARCHAR({}) COLLATE utf8mb4_bin", "words": "VARCHAR({})", "int": "INTEGER(11)", "big": "BIGINT(20)",
        "flag": "TINYINT(1)", "json": "LONGTEXT COLLATE utf8mb4_bin", "time": "DATETIME(6)",
        "text": "LONGTEXT", "hash": "CHAR(64)", "real": "DOUBLE",
    },
    "postgresql": {
        "id": "VARCHAR({})", "words": "VARCHAR({})", "int": "INTEGER", "big": "BIGINT", "flag": "BOOLEAN",
        "json": "JSONB", "time": "TIMESTAMP WITH TIME ZONE", "text": "TEXT", "hash": "CHAR(64)",
        "real": "DOUBLE PRECISION",
    },
}  # fmt: skip
"""What a kind of column is on each engine (section 2.1); on MariaDB JSON is text with a check of its own."""


def engine_of(ground: Ground) -> Engine:
    if isinstance(ground, OnServer):
        return engine_at(make_url(ground.database.url))
    assert isinstance(ground, File)
    return create_engine(f"sqlite:///{ground.path}", poolclass=pool.NullPool)


def written(dialect: str) -> dict[str, list[str]]:
    """By table: what stands above, in the words of an engine."""
    tables: dict[str, list[str]] = {}
    for line in WRITTEN.strip().splitlines():
        words = line.split()
        if not line.startswith(" "):
            tables[line] = made = []
        elif words[0] in ("unique", "index") or "->" in words:
            made.append(" ".join(words))
        else:
            kind, _, size = words[1].rstrip(")").partition("(")
            made.append(" ".join([words[0], KINDS[dialect][kind].format(size), *words[2:]]))
    return {name: sorted(lines) for name, lines in tables.items()}


def found(engine: Engine) -> dict[str, list[str]]:
    """The same as the database tells it."""
    schema = inspect(engine)
    tables: dict[str, list[str]] = {}
    for name in written(engine.dialect.name):
        key = schema.get_pk_constraint(name)["constrained_columns"]
        made = []
        for column in schema.get_columns(name):
            type = column["type"].compile(engine.dialect).replace("CHARACTER SET utf8mb4 ", "")
            notes = ["key"] if column["name"] in key else ["null"] if column["nullable"] else []
            made.append(" ".join([column["name"], type, *notes, *plain(type, column["default"])]))
        for index in schema.get_indexes(name):
            columns = ", ".join(map(str, index["column_names"]))
            made.append(f"{'unique' if index['unique'] else 'index'} {index['name']} ({columns})")
        for link in schema.get_foreign_keys(name):
            (own,), (other,) = link["constrained_columns"], link["referred_columns"]
            made.append(f"{own} -> {link['referred_table']}.{other} {link['options']['ondelete']}")
        tables[name] = sorted(made)
    return tables


def plain(type: str, default: str | None) -> list[str]:
    """A default as it stands above."""
    if default is None or default == "NULL":
        return []
    text = re.sub(r"::[\w ]+$", "", default).strip("()'")
    if text.upper().startswith("CURRENT_TIMESTAMP"):
        return ["now"]
    return [{"0": "false", "1": "true"}[text] if type == "TINYINT(1)" else text or "''"]


@pytest.mark.contract("router X-1, D-6, D-7")
async def test_tables_columns_defaults_and_indexes_are_those_of_the_contract(node: Node) -> None:
    engine = engine_of(node.ground)
    tables = found(engine)

    assert tables == written(engine.dialect.name)
    for name in tables:
        names = {str(check["name"]) for check in inspect(engine).get_check_constraints(name)}
        wanted = CHECKED.get(name, set())
        if engine.dialect.name == "sqlite":
            wanted = wanted | {f"ck_{name}_{column}" for column in JSON.get(name, ())}
        assert names == wanted


ROW: Final = "INSERT INTO extensions (id, type, subject, timeout_ms, retry, config) VALUES "


@pytest.mark.contract("router X-4")
async def test_of_types_there_are_four_to_the_letter(node: Node) -> None:
    for type in ("pre", "validator", "post", "provider"):
        node.sql(f"{ROW}('x_{type}', '{type}', 'x.{type}', 100, 1, '{{}}')")
    for type in ("sink", "Pre", "PROVIDER", "pré", " pre", ""):
        with pytest.raises(Exception, match=r"(?i)constraint"):
            node.sql(f"{ROW}('other', ?, 'x.other', 100, 1, '{{}}')", type)
    with pytest.raises(Exception, match=r"(?i)null"):
        node.sql(f"{ROW}('other', NULL, 'x.other', 100, 1, '{{}}')")


@pytest.mark.contract("router X-4, D-13")
async def test_bounds_follow_the_type_and_documents_are_json(node: Node) -> None:
    for type, timeouts, retries in (("pre", (10, 5000), (0, 3)), ("provider", (10, 300_000), (0, 5))):
        for number, (timeout, retry) in enumerate(zip(timeouts, retries, strict=True)):
            node.sql(f"{ROW}('{type}{number}', '{type}', 'x.{type}{number}', {timeout}, {retry}, '{{}}')")
        for timeout, retry in ((9, 0), (timeouts[1] + 1, 0), (10, -1), (10, retries[1] + 1)):
            with pytest.raises(Exception, match=r"(?i)constraint"):
                node.sql(f"{ROW}('other', '{type}', 'x.other', {timeout}, {retry}, '{{}}')")
    for change in ("breaker_override = 'half'", "breaker_override = 'OPEN'"):
        with pytest.raises(Exception, match=r"(?i)constraint"):
            node.sql(f"UPDATE extensions SET {change} WHERE id = 'pre0'")
    for column in ("config", "metadata"):
        for value in ("{", ""):
            with pytest.raises(Exception, match=r"(?i)constraint|json"):
                node.sql(f"UPDATE extensions SET {column} = ? WHERE id = 'pre0'", value)
    with pytest.raises(Exception, match=r"(?i)constraint|json"):
        node.sql(
            "INSERT INTO router_nodes VALUES ('n', 0, '', '', '{', '2026-01-05T10:00:00.000000Z')".replace("Z'", "'")
        )


@pytest.mark.contract("router D-2")
async def test_a_subject_is_one_enabled_records_unless_it_says_that_it_shares(node: Node) -> None:
    node.sql(f"{ROW}('one', 'pre', 'x.y', 100, 1, '{{}}')")

    def key() -> Any:
        return node.sql("SELECT subject_key FROM extensions WHERE id = 'one'")[0]["subject_key"]

    assert key() == "x.y"
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        node.sql(f"{ROW}('two', 'pre', 'x.y', 100, 1, '{{}}')")
    for change in ("enabled = false", "share_subject = true", "deleted_at = '2026-01-05 10:00:00'"):
        node.sql(f"UPDATE extensions SET {change} WHERE id = 'one'")
        assert key() is None
        node.sql(f"{ROW}('two', 'pre', 'x.y', 100, 1, '{{}}')")
        node.sql("DELETE FROM extensions WHERE id = 'two'")
        node.sql("UPDATE extensions SET enabled = true, share_subject = false, deleted_at = NULL WHERE id = 'one'")
        assert key() == "x.y"


async def test_ids_and_subjects_are_compared_letter_by_letter(node: Node) -> None:
    node.sql(f"{ROW}('one', 'pre', 'x.y', 100, 1, '{{}}')")
    node.sql(f"{ROW}('One', 'pre', 'X.y', 100, 1, '{{}}')")

    assert [row["id"] for row in node.sql("SELECT id FROM extensions WHERE subject = 'X.y'")] == ["One"]


def own_sql(node: Node, statement: str) -> None:
    """As our own connections say it: on SQLite foreign keys hold where they are asked for."""
    if isinstance(node.ground, File):
        with closing(connect(node.ground.path)) as connection:
            connection.execute(statement)
    else:
        node.sql(statement)


@pytest.mark.contract("router D-7")
async def test_health_goes_with_its_extension_and_the_head_is_one_row(node: Node) -> None:
    node.sql(f"{ROW}('one', 'pre', 'x.y', 100, 1, '{{}}')")
    node.sql("INSERT INTO extension_health (extension_id) VALUES ('one')")
    node.sql("INSERT INTO extension_health (extension_id, node_id, avg_latency_ms) VALUES ('one', 'a', 1234.56789)")
    health = "SELECT node_id, avg_latency_ms FROM extension_health WHERE extension_id = 'one' ORDER BY node_id"

    assert [tuple(row.values()) for row in node.sql(health)] == [("", None), ("a", 1234.56789)]
    own_sql(node, "DELETE FROM extensions WHERE id = 'one'")
    assert node.sql(health) == []
    with pytest.raises(Exception, match=r"(?i)constraint"):
        own_sql(node, "INSERT INTO extension_health (extension_id) VALUES ('nobody')")
    with pytest.raises(Exception, match=r"(?i)constraint"):
        node.sql(
            "INSERT INTO registry_revision (id, revision, checksum, audit_id, audit_hash) VALUES (2, 0, '', 0, '')"
        )
