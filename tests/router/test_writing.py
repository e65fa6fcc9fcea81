"""What may be written, what is written of it, and that nothing is written by halves."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.kit.errors import Failure, ValidationFailed
from ringback.kit.reading import read
from ringback.router.audit import service as audit
from ringback.router.extensions import rules, service, wire
from ringback.router.extensions.model import (
    TYPES,
    ExtensionExists,
    ExtensionNotFound,
    RevisionConflict,
    RevisionNotFound,
    SubjectInUse,
)
from tests.router.conftest import Node

TABLES = ("extensions", "extension_audit_log", "extension_revisions", "registry_revision", "registrar_outbox")


def everything(node: Node) -> dict[str, list[dict[str, Any]]]:
    return {table: node.sql(f"SELECT * FROM {table}") for table in TABLES}


def asked(**fields: Any) -> wire.NewRouterExtension:
    return read(wire.NewRouterExtension, fields, refuse_unknown=True)


def refusal(failure: ValidationFailed) -> set[tuple[str, str]]:
    return {(fault.field, fault.rule) for fault in failure.faults}


def short(value: object) -> str:
    """The fields, and not the rules: a set is written in another order by each process."""
    return repr(value)[:60] if isinstance(value, dict) else ""


HEAD = "UPDATE registry_revision SET audit_id = 7, audit_hash = (SELECT hash FROM extension_audit_log WHERE id = 7)"
SPELT = ("apiKey", "API-KEY", "x_api_key", "clientSecret", "client-secret", "private_key", "passwd", "Set-Cookie")
"""Names of credentials as people write them."""
GOOD = {"id": "upper", "type": "pre", "subject": "beamline.ext.pre.upper.v1"}


@pytest.mark.contract("router X-22, F-8, D-15")
async def test_a_create_has_its_defaults_and_keeps_what_is_given(node: Node) -> None:
    plain = await node.create("upper")
    whole = await node.create(
        "guard", "validator", timeout_ms=10, retry=0, enabled=False, config={"a": [1]}, metadata={"owner": "voice"}
    )

    assert (plain.timeout_ms, plain.retry, plain.enabled, plain.config, plain.metadata) == (5000, 1, True, {}, {})
    assert (whole.timeout_ms, whole.retry, whole.enabled, whole.config, whole.metadata) == (
        10, 0, False, {"a": [1]}, {"owner": "voice"},
    )  # fmt: skip
    assert node.registry.get_cached("guard") == whole
    with pytest.raises(ExtensionExists):
        await node.create("upper", subject="beamline.ext.pre.other.v1")
    with pytest.raises(SubjectInUse):
        await node.create("other", subject="beamline.ext.pre.upper.v1")
    await node.create("other", subject="beamline.ext.pre.upper.v1", share_subject=True)


@pytest.mark.contract("router X-5")
@pytest.mark.parametrize("type", TYPES)
async def test_a_row_becomes_a_record_with_all_its_fields(node: Node, type: str) -> None:
    made = await node.create("one", type, timeout_ms=50, retry=2, config={"x": {"y": 1}}, metadata={"tags": ["a"]})
    await node.loader.reload()

    assert node.registry.lookup("one") == made


@pytest.mark.contract("router X-5")
async def test_json_comes_back_from_every_engine_as_it_was_written(node: Node) -> None:
    odd = {
        "z": 1.0,
        "a": [1e22, -0.0, 1e-7, 0.1, 10**30],
        "\\u0000": "\\0 \U0001f600 \x1f",
        "": {"b": None, "B": False},
    }
    made = await node.create("one", config=odd, metadata={"max_payload_size": 2**53, "x": odd})

    done = await node.loader.reload()

    assert (done.changed, node.registry.lookup("one"), made.config == odd) == (0, made, True)
    assert node.sql("SELECT id FROM extension_audit_log WHERE source = 'sql'") == []


@pytest.mark.contract("router X-4")
@pytest.mark.parametrize(
    "change", ["type = 'sink'", "timeout_ms = 9", "timeout_ms = 5001", "retry = 4", "retry = -1", "subject = NULL"]
)
async def test_the_database_itself_refuses_what_breaks_a_rule(node: Node, change: str) -> None:
    before = everything(node)
    with pytest.raises(Exception, match=r"(?i)constraint|null"):
        node.sql(f"UPDATE extensions SET {change} WHERE id = 'pii_guard'")
    assert everything(node) == before


@pytest.mark.contract("router X-22, D-11, D-12, D-13")
@pytest.mark.parametrize(
    ("fields", "rules"),
    [
        ({}, {("id", "invalid_id"), ("type", "invalid_type"), ("subject", "subject_grammar")}),
        ({**GOOD, "id": "Upper"}, {("id", "invalid_id")}),
        ({**GOOD, "id": "u" * 256}, {("id", "invalid_id")}),
        ({**GOOD, "type": "sink"}, {("type", "invalid_type")}),
        ({**GOOD, "type": "post"}, {("subject", "subject_type_mismatch")}),
        ({**GOOD, "subject": "beamline.ext.pre.*.v1"}, {("subject", "subject_grammar")}),
        ({**GOOD, "subject": "_INBOX.upper"}, {("subject", "subject_grammar")}),
        ({**GOOD, "subject": f"beamline.ext.pre.{'u' * 255}.v1"}, {("subject", "subject_grammar")}),
        ({**GOOD, "timeout_ms": 9}, {("timeout_ms", "timeout_out_of_range")}),
        ({**GOOD, "timeout_ms": 5001}, {("timeout_ms", "timeout_out_of_range")}),
        ({**GOOD, "timeout_ms": "1"}, {("timeout_ms", "wrong_type")}),
        ({**GOOD, "retry": 4}, {("retry", "retry_limit_exceeded")}),
        ({**GOOD, "retry": -1}, {("retry", "retry_limit_exceeded")}),
        ({**GOOD, "config": []}, {("config", "wrong_type")}),
        ({**GOOD, "config": {"x": "y" * 65536}}, {("config", "too_large")}),
        ({**GOOD, "config": {"x": ["y\0"]}}, {("config", "wrong_type")}),
        ({**GOOD, "config": {"api_key": "sk-live"}}, {("config.api_key", "secret_literal")}),
        ({**GOOD, "config": {"a": [{"TOKEN": 1}]}}, {("config.a[0].TOKEN", "secret_literal")}),
        *(({**GOOD, "config": {name: "sk-live"}}, {(f"config.{name}", "secret_literal")}) for name in SPELT),
        ({**GOOD, "metadata": {"owner": 1}}, {("metadata.owner", "wrong_type")}),
        ({**GOOD, "metadata": {"tags": "x"}}, {("metadata.tags", "wrong_type")}),
        ({**GOOD, "metadata": {"max_concurrency": 1025}}, {("metadata.max_concurrency", "wrong_type")}),
        ({**GOOD, "timeout": 5, "retry": 9}, {("timeout", "unknown_field"), ("retry", "retry_limit_exceeded")}),
    ],
    ids=short,
)  # fmt: skip
def test_every_fault_of_a_create_is_named_with_its_rule(fields: dict[str, Any], rules: set[tuple[str, str]]) -> None:
    with pytest.raises(ValidationFailed) as refused:
        asked(**fields)

    assert refusal(refused.value) == rules


@pytest.mark.contract("router F-7")
@given(
    subject=st.text(max_size=40) | st.from_regex(r"beamline\.(ext\.[a-z]+|provider)\.[a-z_.*>]+\.v\d?", fullmatch=True)
)
def test_no_subject_with_a_wildcard_or_a_space_is_taken(subject: str) -> None:
    if list(rules.faults({"subject": subject})):
        return

    assert not set(subject) & set("*> \t\n")
    assert subject.startswith(("beamline.ext.", "beamline.provider."))


@pytest.mark.contract("router X-23, F-2, F-3")
async def test_any_fields_are_changed_together_and_keep_their_own_values(node: Node) -> None:
    await node.create("upper")
    values = {
        "subject": "beamline.ext.pre.loud.v2", "timeout_ms": 70, "retry": 3, "enabled": False, "share_subject": True,
        "config": {"a": 1}, "metadata": {"owner": "me"},
    }  # fmt: skip
    for first in values:
        for second in values:
            pair: dict[str, Any] = {name: values[name] for name in (first, second)}
            await node.update("upper", **pair)
            record = node.registry.get_cached("upper")
            assert record is not None
            assert (getattr(record, first), getattr(record, second)) == (values[first], values[second])
            await node.do(lambda uow: service.rollback(uow, "upper", 1))
            await node.do(lambda uow: service.enable(uow, "upper"))

    with pytest.raises(ValidationFailed) as refused:
        read(wire.ChangeRouterExtension, {"config = '{}' --": 1}, refuse_unknown=True)
    assert refusal(refused.value) == {("config = '{}' --", "unknown_field")}


@pytest.mark.contract("router D-14, R-3")
@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({}, {("", "empty_update")}),
        ({"comment": "why"}, {("", "empty_update")}),
        ({"id": "lower"}, {("id", "immutable_field")}),
        ({"type": "post", "id": "upper"}, {("type", "immutable_field")}),
        ({"timeout_ms": 6000}, {("timeout_ms", "timeout_out_of_range")}),
        ({"subject": "beamline.ext.post.upper.v1"}, {("subject", "subject_type_mismatch")}),
    ],
    ids=short,
)
async def test_a_change_of_nothing_or_of_what_never_changes_is_refused(
    node: Node, changes: dict[str, Any], rules: set[tuple[str, str]]
) -> None:
    await node.create("upper")
    before = everything(node)

    with pytest.raises(ValidationFailed) as refused:
        await node.update("upper", **changes)

    assert (refusal(refused.value), everything(node) == before) == (rules, True)


@pytest.mark.contract("router X-25, D-14")
async def test_what_is_so_already_is_no_change(node: Node) -> None:
    made = await node.create("upper")
    before = everything(node)

    assert await node.update("upper", id="upper", type="pre", retry=1) == made
    assert await node.do(lambda uow: service.enable(uow, "upper")) == made
    assert await node.do(lambda uow: service.restore(uow, "upper")) == made
    assert everything(node) == before


async def test_a_merge_changes_what_is_inside_and_null_removes(node: Node) -> None:
    await node.create("upper", config={"a": {"b": 1, "c": 2}, "d": [1]})
    merged = await node.update("upper", merge=True, config={"a": {"b": None, "e": 3}, "d": [2]})

    assert merged.config == {"a": {"c": 2, "e": 3}, "d": [2]}


@pytest.mark.contract("router S-8")
async def test_a_redacted_value_that_is_written_back_stays_what_it_was(node: Node) -> None:
    await node.create("upper", config={"api_key": "env:RINGBACK_SECRET_X", "model": "a"})
    changed = await node.update("upper", config={"api_key": "[REDACTED]", "model": "b"})

    assert changed.config == {"api_key": "env:RINGBACK_SECRET_X", "model": "b"}
    stored = node.sql("SELECT new_values FROM extension_audit_log ORDER BY id DESC LIMIT 1")[0]["new_values"]
    assert ("RINGBACK_SECRET_X" in stored, "[REDACTED]" in stored) == (False, True)


@pytest.mark.contract("router X-24, D-4")
async def test_a_deleted_one_is_gone_and_may_come_again(node: Node) -> None:
    await node.create("upper", timeout_ms=70)
    gone = await node.do(lambda uow: service.delete(uow, "upper"))
    assert gone.deleted_at is not None
    assert node.registry.get_cached("upper") is None
    for verb in (service.delete, service.enable, service.disable):
        with pytest.raises(ExtensionNotFound):
            await node.do(lambda uow, verb=verb: verb(uow, "upper"))  # type: ignore[misc]

    back = await node.do(lambda uow: service.restore(uow, "upper"))
    assert (back.timeout_ms, back.revision, node.registry.lookup("upper")) == (70, 3, back)
    await node.do(lambda uow: service.delete(uow, "upper"))
    again = await node.create("upper")
    assert (again.revision, again.timeout_ms) == (5, 5000)
    with pytest.raises(ExtensionNotFound):
        await node.do(lambda uow: service.restore(uow, "nobody"))


@pytest.mark.contract("router R-6a")
async def test_of_two_who_have_seen_the_same_revision_one_wins(node: Node) -> None:
    await node.create("upper")

    answers = await asyncio.gather(
        *(node.update("upper", expected={1}, timeout_ms=ms) for ms in (20, 30)), return_exceptions=True
    )

    assert sorted(isinstance(one, RevisionConflict) for one in answers) == [False, True]
    assert node.registry.lookup("upper").revision == 2


@pytest.mark.contract("router R-4a")
async def test_a_rollback_says_again_what_an_old_revision_said(node: Node) -> None:
    await node.create("upper", timeout_ms=70, config={"a": 1})
    await node.update("upper", timeout_ms=90, config={"b": 2})
    await node.do(lambda uow: service.disable(uow, "upper"))

    back = await node.do(lambda uow: service.rollback(uow, "upper", 1, comment="too slow"))

    assert (back.revision, back.timeout_ms, back.config, back.enabled) == (4, 70, {"a": 1}, False)
    kept = await node.do(lambda uow: service.revisions(uow, "upper", 99, 10))
    assert [(row["revision"], row["action"]) for row in kept] == [
        (4, "rolled_back"), (3, "disabled"), (2, "updated"), (1, "created"),
    ]  # fmt: skip
    assert (kept[0]["comment"], kept[0]["created_by"]) == ("too slow", "key:ops")
    assert all(msgspec.json.decode(row["document"])["revision"] == row["revision"] for row in kept)
    with pytest.raises(RevisionNotFound):
        await node.do(lambda uow: service.rollback(uow, "upper", 9))


@pytest.mark.contract("router X-27, R-5a, R-5b, F-4")
async def test_each_change_leaves_one_entry_in_a_chain_that_outlives_its_record(node: Node) -> None:
    start = len(node.sql("SELECT id FROM extension_audit_log"))
    await node.create("upper")
    await node.update("upper", timeout_ms=70)
    await node.do(lambda uow: service.disable(uow, "upper"), by="key:other")
    await node.do(lambda uow: service.enable(uow, "upper"))
    await node.do(lambda uow: service.delete(uow, "upper"))

    entries = await node.do(lambda uow: audit.latest(uow, "upper", 1 << 62, 10))

    assert [entry.action for entry in reversed(entries)] == ["created", "updated", "disabled", "enabled", "deleted"]
    assert [entry.id for entry in entries] == list(range(start + 5, start, -1))
    assert entries[3].changes()["timeout_ms"] == {"old": 5000, "new": 70}
    assert {(entry.changed_by, entry.source, entry.request_id) for entry in entries} == {
        ("key:ops", "rest", "req_1"), ("key:other", "rest", "req_1"),
    }  # fmt: skip
    verdict = await node.do(audit.verify)
    assert (verdict.ok, verdict.checked, verdict.first_bad) == (True, start + 5, None)


@pytest.mark.contract("router R-5c")
@pytest.mark.parametrize(
    ("harm", "first_bad"),
    [
        ("UPDATE extension_audit_log SET changed_by = 'somebody' WHERE id = 8", 8),
        ("UPDATE extension_audit_log SET new_values = NULL WHERE id = 7", 7),
        ("DELETE FROM extension_audit_log WHERE id = 8", 8),
        ("DELETE FROM extension_audit_log WHERE id > 7", 8),
        (HEAD, 8),
    ],
)
async def test_whatever_is_done_to_the_chain_is_found(node: Node, harm: str, first_bad: int) -> None:
    for number in range(3):
        await node.create(f"upper{number}")
    node.ground.unguard()
    node.sql(harm)

    verdict = await node.do(audit.verify)

    assert (verdict.ok, verdict.first_bad) == (False, first_bad)


@pytest.mark.contract("router R-5a")
@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE extension_audit_log SET changed_by = 'somebody'",
        "DELETE FROM extension_audit_log",
        pytest.param(
            "INSERT OR REPLACE INTO extension_audit_log SELECT * FROM extension_audit_log WHERE id = 1",
            marks=pytest.mark.sqlite,
        ),
    ],
)
async def test_the_log_takes_entries_and_gives_none_away(node: Node, harm: str) -> None:
    before = everything(node)
    for statement in (harm, *node.ground.further_harm):
        with pytest.raises(Exception, match="append-only"):
            node.sql(statement)
    assert everything(node) == before


@pytest.mark.contract("router F-4")
async def test_a_failure_before_any_statement_of_a_change_leaves_everything_as_before(node: Node) -> None:
    before = everything(node)
    snapshot = node.registry.snapshot
    for number in count():
        node.fail_from(number)
        try:
            await node.create("upper")
            break
        except Failure:
            assert (everything(node), node.registry.snapshot is snapshot) == (before, True)

    assert number > 6
    assert node.registry.lookup("upper").revision == 1


@pytest.mark.contract("router R-6a")
async def test_changes_of_two_nodes_at_once_have_revisions_without_a_gap(make_node: Callable[[], Node]) -> None:
    nodes = [make_node(), make_node()]
    for one in nodes:
        await one.loader.reload()
    start = nodes[0].registry.snapshot.revision

    await asyncio.gather(*(nodes[number % 2].create(f"upper{number}") for number in range(10)))
    for one in nodes:
        await one.loader.catch_up()

    numbers = [row["registry_revision"] for row in nodes[0].sql(
        "SELECT DISTINCT registry_revision FROM extension_revisions ORDER BY 1")]  # fmt: skip
    assert numbers == list(range(1, start + 11))
    assert nodes[0].registry.snapshot.checksum == nodes[1].registry.snapshot.checksum
    assert (await nodes[0].do(audit.verify)).ok


async def test_behind_the_events_of_a_transaction_comes_its_revision(node: Node) -> None:
    first = node.registry.snapshot.revision
    await node.create("upper")
    await node.do(lambda uow: service.enable(uow, "upper"))  # it is
    await node.update("upper", timeout_ms=100)
    await node.do(lambda uow: service.delete(uow, "upper"))
    node.sql("UPDATE extensions SET timeout_ms = 77 WHERE id IN ('pii_guard', 'normalize_text')")
    assert (await node.loader.reload()).ok

    rows = node.sql("SELECT event_type, payload FROM registrar_outbox ORDER BY id")
    bodies = [
        row["payload"] if isinstance(row["payload"], dict) else msgspec.json.decode(row["payload"]) for row in rows
    ]
    told = [(row["event_type"], body["registry_revision"] - first) for row, body in zip(rows, bodies, strict=True)]

    assert [one for one in told if one[1] > 0] == [
        ("extension_created", 1), ("registry_revision", 1),
        ("extension_updated", 2), ("registry_revision", 2),
        ("extension_deleted", 3), ("registry_revision", 3),
        ("extension_updated", 4), ("extension_updated", 4), ("registry_revision", 4),
    ]  # fmt: skip
    (head,) = node.sql("SELECT revision, audit_hash FROM registry_revision")
    assert bodies[-1]["data"] == head
