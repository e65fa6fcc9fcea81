"""`router-control`: the same commands and answers over REST and on the database itself."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ringback.demo.server import Server
from ringback.kit.typist import user
from tests.cli.conftest import QUIET, Ran, Shell, served

pytestmark = pytest.mark.long

UPPER = ("upper", "--type", "pre", "--subject", "beamline.ext.pre.upper.v1")
GIVEN = [
    "mask_sensitive_data", "normalize_text", "anthropic_claude", "mock_provider", "openai_gpt4", "pii_guard",
]  # fmt: skip


def ids(ran: Ran) -> list[str]:
    assert ran.code == 0, ran
    return [one["id"] for one in ran.json]


def is_local(registry: Shell) -> bool:
    return "--local" in registry.way


def test_a_record_is_made_shown_changed_and_ended(registry: Shell) -> None:
    made = registry.router("extensions", "create", *UPPER, "--config_json", '{"language": "en"}', "--format", "json")
    assert (made.code, made.json["revision"], made.json["config"]) == (0, 1, {"language": "en"})
    changed = registry.router(
        "extensions", "update", "upper", "--timeout_ms", "70", "--config_json", '{"x": 1}', "--merge", "--format=json"
    )
    assert (changed.json["timeout_ms"], changed.json["config"]) == (70, {"language": "en", "x": 1})
    whole = registry.router("extensions", "update", "upper", "--config_json", '{"y": 2}', "--format=json")
    assert whole.json["config"] == {"y": 2}
    assert registry.router("extensions", "disable", "upper").code == 0
    assert registry.router("extensions", "enable", "upper", "--if_revision", "4", "--format=json").json["enabled"]
    shown = registry.router("extensions", "get", "upper")
    assert "beamline.ext.pre.upper.v1" in shown.out
    back = registry.router("extensions", "rollback", "upper", "1", "--comment", "slow", "--format", "json")
    assert (back.json["timeout_ms"], back.json["enabled"], back.json["revision"]) == (5000, True, 6)
    forced = registry.router("extensions", "breaker", "upper", "--force", "open", "--if_revision", "6", "--format=json")
    assert (forced.json["breaker_override"], forced.json["breaker"]) == ("open", {"state": "open"})
    (shown,) = registry.router("extensions", "breaker", "upper", "--format", "json").json
    assert (shown["extension_id"], shown["breaker_override"]) == ("upper", "open")
    assert registry.router("extensions", "breaker", "nobody").code == 3
    assert registry.router("extensions", "breaker", "upper", "--force", "ajar").code == 2
    assert registry.router("extensions", "breaker", "upper", "--force", "none").code == 0
    assert registry.router("extensions", "delete", "upper").code == 0
    assert registry.router("extensions", "get", "upper").code == 3
    assert registry.router("extensions", "restore", "upper", "--format", "json").json["revision"] == 10


def test_what_was_done_stands_in_the_audit_log_by_its_door(registry: Shell) -> None:
    registry.router("extensions", "create", *UPPER)

    (entry,) = registry.router("audit", "list", "--limit", "1", "--format", "json").json

    over_rest = ("key:operator", "rest", True)
    by_hand = (f"cli:{user()}", "cli", False)
    expected = by_hand if is_local(registry) else over_rest
    assert (entry["changed_by"], entry["source"], bool(entry["request_id"])) == expected


def test_a_list_is_by_type_and_id_and_takes_every_filter(registry: Shell) -> None:
    listed = ("extensions", "list", "--format", "json")
    assert ids(registry.router(*listed)) == GIVEN
    registry.router("extensions", "disable", "openai_gpt4")
    registry.router("extensions", "delete", "mock_provider")
    registry.router(
        "extensions", "update", "pii_guard", "--metadata_json", '{"tags": ["gdpr"], "description": "Looks"}'
    )

    assert "normalize_text" in registry.router("extensions", "list", "--type", "pre").out
    assert ids(registry.router(*listed, "--type", "provider")) == ["anthropic_claude", "openai_gpt4"]
    assert ids(registry.router(*listed, "--type", "provider", "--enabled")) == ["anthropic_claude"]
    assert ids(registry.router(*listed, "--disabled")) == ["openai_gpt4"]
    assert ids(registry.router(*listed, "--deleted")) == ["mock_provider"]
    assert ids(registry.router(*listed, "--tag", "gdpr")) == ["pii_guard"]
    assert ids(registry.router(*listed, "--q", "lOOk")) == ["pii_guard"]
    assert ids(registry.router(*listed, "--status", "healthy")) == []
    assert len(ids(registry.router(*listed, "--status", "unknown"))) == 5
    assert registry.router("extensions", "list", "--status", "healthy").out == "Router extensions: none\n"
    for name, choice in (("type", "sink"), ("status", "ill")):
        refused = registry.router("extensions", "list", f"--{name}", choice)
        assert (refused.code, f"--{name} must be one of" in refused.err) == (2, True), refused


def test_all_pages_of_a_list_are_one(registry: Shell) -> None:
    registry.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1214) "
        "INSERT INTO extensions (id, type, subject) SELECT 'p' || i, 'post', 'beamline.ext.post.p' || i || '.v1' FROM n"
    )
    assert registry.router("registry", "reload").out.endswith("0 rows broken\n")

    found = ids(registry.router("extensions", "list", "--type", "post", "--format", "json"))

    assert found == ["mask_sensitive_data", *(f"p{number}" for number in range(1000, 1215))]
    entries = registry.router("audit", "list", "--limit", "150", "--format", "json").json
    assert [one["id"] for one in entries] == list(range(221, 71, -1))


@pytest.mark.contract("router X-22, D-13")
def test_every_faulty_flag_is_named_at_once_and_nothing_is_written(registry: Shell) -> None:
    words = ("--subject", "a.*", "--timeout_ms", "1", "--retry", "--5", "--config_json", "[", "--comment", "x" * 1025)
    refused = registry.router("extensions", "create", "U", *words)

    assert refused.code == 2
    for flag in (
        "--id must", "--type is required", "--subject must", "--timeout_ms must", "--retry must be a whole number",
        "--config_json must be an object", "--comment must be a text of at most 1024",
    ):  # fmt: skip
        assert flag in refused.err
    assert refused.err.count("\n") == 1
    assert len(registry.router("extensions", "list", "--format", "json").json) == 6
    nothing = registry.router("extensions", "update", "pii_guard")
    assert (nothing.code, " names nothing that could change" in nothing.err, "-- " in nothing.err) == (2, True, False)
    secret = registry.router("extensions", "update", "pii_guard", "--config_json", '{"api_key": "s3cr3t"}')
    assert (secret.code, "--config_json.api_key " in secret.err, "s3cr3t" in secret.err) == (2, True, False)
    assert registry.router("extensions", "get", "").code == 2


@pytest.mark.contract("router R-6a")
def test_each_way_to_fail_has_its_exit_code(registry: Shell) -> None:
    late = registry.router("extensions", "update", "pii_guard", "--retry", "2", "--if_revision", "9")
    assert (late.code, late.err.endswith("If-Match names. It is at revision 1.\n")) == (4, True), late
    assert registry.router("extensions", "delete", "pii_guard", "--if_revision", "9" * 5000).code == 2
    assert registry.router("extensions", "rollback", "pii_guard", "0").code == 2
    assert registry.router("extensions", "rollback", "pii_guard", "7").code == 3
    assert registry.router("extensions", "get", "no/such?one#").code == 3
    assert registry.router("extensions", "create", *("pii_guard", *UPPER[1:])).code == 4
    assert registry.router("extensions", "lst").code == 2


@pytest.mark.contract("router X-10, F-6")
def test_a_reload_that_fails_says_so(registry: Shell) -> None:
    """What a server knows it still serves; a command on a database that cannot be read has nothing."""
    assert registry.router("registry", "reload", "--format", "json").json["changed"] == (6 if is_local(registry) else 0)
    registry.sql("ALTER TABLE extensions RENAME TO elsewhere")

    failed = registry.router("registry", "reload")
    told = registry.router("registry", "reload", "--format", "json")

    assert (failed.code, "the registry could not be loaded: " in failed.err) == (1, True)
    assert (told.code, told.json["ok"], bool(told.json["error"])) == (1, False, True)
    known = registry.router("extensions", "get", "pii_guard")
    assert (known.code, "could not be loaded" in known.err) == ((6, True) if is_local(registry) else (0, False))


@pytest.mark.contract("router R-1c, R-5c, X-9")
def test_sql_is_adopted_and_the_chain_is_proved(registry: Shell) -> None:
    assert registry.router("registry", "reload").out == "registry revision 1, 0 rows broken\n"
    registry.sql("UPDATE extensions SET subject = 'x.>' WHERE id = 'pii_guard'")
    broken = registry.router("registry", "reload").out
    assert "1 rows broken\npii_guard: subject must" in broken
    kept = registry.router("extensions", "get", "pii_guard", "--format", "json").json
    assert kept["subject"] == "beamline.ext.validate.pii_guard.v1"
    registry.sql("UPDATE extensions SET subject = 'beamline.ext.validate.pii_guard.v1' WHERE id = 'pii_guard'")
    registry.sql("UPDATE extensions SET timeout_ms = 90 WHERE id = 'normalize_text'")

    again = registry.router("registry", "reload", "--format", "json").json
    assert (again["ok"], again["rejected"], again["error"]) == (True, [], None)
    entries = registry.router("audit", "list", "--format", "json").json
    assert [(one["changed_by"], one["extension_id"]) for one in entries[:2]] == [
        ("external:sql", "normalize_text"), ("system:initial", "pii_guard"),
    ]  # fmt: skip
    assert "timeout_ms" in registry.router("audit", "list", "--id", "normalize_text").out
    assert registry.router("audit", "verify").out == f"{len(entries)} entries, all as they were written\n"
    registry.sql("DROP TRIGGER extension_audit_log_update")
    registry.sql("UPDATE extension_audit_log SET changed_by = 'nobody' WHERE id = 2")
    bad = registry.router("audit", "verify")
    assert (bad.code, bad.out.startswith("entry 2 is not as it was written")) == (1, True)
    told = registry.router("audit", "verify", "--format", "json")
    assert (told.code, told.json["ok"], told.json["first_bad"]) == (1, False, 2)


RECORD = [
    "id", "type", "subject", "timeout_ms", "retry", "enabled", "share_subject", "version", "config", "metadata",
    "breaker_override", "revision", "created_at", "created_by", "updated_at", "updated_by", "deleted_at", "health",
    "breaker", "warnings",
]  # fmt: skip
LOOKS: dict[tuple[str, ...], tuple[list[str], str]] = {
    ("extensions", "list"): (RECORD, "pii_guard"),
    ("extensions", "get", "pii_guard"): (RECORD, "beamline.ext.validate.pii_guard.v1"),
    ("extensions", "health"): (["extension_id", "status", "basis", "health_score"], "unknown"),
    ("extensions", "health", "pii_guard"): (["extension_id", "status", "basis", "health_score"], "unknown"),
    ("extensions", "revisions", "pii_guard"): (["revision", "registry_revision", "action", "document"], "updated"),
    ("extensions", "revisions", "pii_guard", "1"): (["revision", "registry_revision", "action"], "system:initial"),
    ("extensions", "diff", "pii_guard", "1", "2"): (["patch"], "/timeout_ms"),
    ("audit", "list"): (["id", "entity", "extension_id", "action", "changed_by"], "timeout_ms"),
    ("audit", "list", "--id", "pii_guard"): (["id", "entity", "extension_id", "action"], "timeout_ms"),
    ("audit", "verify"): (["ok", "checked", "first_bad", "head"], "7 entries"),
    ("registry", "stats"): (["node_id", "last_reload", "load_count", "error_count"], "checksum"),
    ("registry", "effective"): (["node_id", "revision", "checksum", "extensions"], "pii_guard"),
    ("registry", "reload"): (["ok", "revision", "changed", "rejected", "error"], "registry revision 2"),
}
"""Which keys an object of the answer begins with, and what its table holds."""


def test_each_answer_is_that_of_rest_in_three_forms(registry: Shell) -> None:
    registry.router("extensions", "update", "pii_guard", "--timeout_ms", "250", "--comment", "slow: [x]")

    for words, (keys, word) in LOOKS.items():
        table, whole = registry.router(*words), registry.router(*words, "--output", "json")
        one = whole.json[0] if isinstance(whole.json, list) else whole.json
        assert (table.code, table.err, whole.code, whole.err) == (0, "", 0, ""), words
        assert list(one)[: len(keys)] == keys, words
        assert word in table.out, words
        if words[-1] not in ("stats", "reload", "list"):  # the clock of what is told moves
            yaml = registry.router(*words, "--format=yaml").out
            assert (msgspec.yaml.decode(yaml), yaml[0] in "[{") == (whole.json, False), words


def test_the_nodes_are_those_that_run(registry: Shell) -> None:
    nodes = registry.router("registry", "nodes", "--format", "json").json

    assert [(one["applied_revision"], one["stale"]) for one in nodes] == ([] if is_local(registry) else [(1, False)])


@pytest.mark.contract("router R-2c")
def test_a_change_can_wait_for_all_nodes(shell: Shell) -> None:
    """A command on the database is no node itself, and waits for the server beside it."""
    over_rest, local = replace(shell, way=QUIET), replace(shell, way=("--local", *QUIET))
    with served(shell.home):
        made = over_rest.router("extensions", "create", *UPPER, "--wait", "9000", "--format", "json").json
        ended = local.router("extensions", "disable", "upper", "--wait", "9000", "--format", "json").json
        served_now = over_rest.router("extensions", "get", "upper", "--format", "json").json
        asked = local.router("extensions", "enable", "upper", "--format", "json").json

    assert made["applied"] == {"revision": 2, "nodes": 1, "pending": []}
    assert ended["applied"] == {"revision": 3, "nodes": 2, "pending": []}
    assert (served_now["enabled"], "applied" in asked) == (False, False)
    assert local.router("extensions", "enable", "upper", "--wait", "10001").code == 2


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_what_was_read_can_be_changed_in_a_file_and_sent_back(registry: Shell, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "record"
    text = registry.router("extensions", "get", "mock_provider", "--format", kind).out
    file.write_text(re.sub(r"(timeout_ms\"?): \d+", r"\1: 1234", text))

    changed = registry.router(
        "extensions", "update", "mock_provider", "--file", str(file), "--retry", "3", "--format=json"
    )

    assert changed.code == 0, changed
    assert (changed.json["timeout_ms"], changed.json["retry"], changed.json["revision"]) == (1234, 3, 2)
    assert changed.json["config"] == {"mode": "echo", "latency_ms": 50}
    other = registry.router("extensions", "update", "pii_guard", "--file", str(file))
    assert (other.code, "--id cannot be changed" in other.err, "--type cannot" in other.err) == (2, True, True)


DOCUMENT = """
id: upper
type: pre
subject: beamline.ext.pre.upper.v1
metadata: {semver: '1.10', tags: [a], day: 2026-01-05}
"""


def test_a_document_makes_a_record_and_flags_go_over_it(registry: Shell, tmp_path: Path) -> None:
    (tmp_path / "upper.yaml").write_text(DOCUMENT)

    words = ("extensions", "create", "lower", "--file", str(tmp_path / "upper.yaml"), "--format", "json")
    made = registry.router(*words)

    assert made.code == 0, made
    assert (made.json["id"], made.json["type"]) == ("lower", "pre")
    assert made.json["metadata"] == {"semver": "1.10", "tags": ["a"], "day": "2026-01-05"}


BAD: dict[str, Any] = {
    "{": "is no JSON", "a: [": "is no YAML", "- a": "must hold one object", "": "must hold one object",
    "config: {x: .nan}": "nan is nothing that JSON can say", "on: 1": "the name True must be in quotes",
    "config: &a {b: *a}": "is nested too deeply", "x: !!python/object:os.system {}": "is no YAML",
    'comment: "\\ud800"': "is no YAML",
    "comment: !!binary aGk=": "is nothing that JSON can say",
}  # fmt: skip


def test_a_file_that_is_no_document_is_one_line(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "document"
    for text, told in BAD.items():
        file.write_text(text)
        ran = shell.router("extensions", "create", "--file", str(file))
        assert (ran.code, told in ran.err, ran.err.count("\n")) == (2, True, 1), (text, ran)
    assert shell.router("extensions", "create", "--file", str(tmp_path / "none")).code == 2


def test_somebody_without_a_name_is_a_number() -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    assert user(nameless) == str(os.getuid())
    assert user(lambda: "z\udcff" * 300) == "z?" * 100


def test_the_commands_of_the_page_work_as_they_are_written(
    registry: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs/operate-the-registry.md").read_text()
    lines = re.findall(r"^router-control (.+)$", page, re.MULTILINE)
    assert len(lines) > 8
    for line in lines:
        command, _, file = line.partition(" > ")
        ran = registry.router(*shlex.split(command))
        assert ran.code == 0, (line, ran)
        if file:
            Path(file).write_text(ran.out)


CONTROL = "from ringback.start import router_control; router_control()"


@pytest.mark.process
async def test_a_running_server_is_found_by_its_home_and_does_what_it_is_told(tmp_path: Path) -> None:
    async with await Server.start(tmp_path / "home") as server:
        made = await server.run("router-control", "extensions", "create", *UPPER, "--format", "json")
        piped = [sys.executable, "-c", CONTROL, "extensions", "update", "upper", "--file", "-", "--url", server.url]
        keys = ("--key_file", str(server.home / "keys.json"))
        given = await asyncio.to_thread(subprocess.run, [*piped, *keys], input=DOCUMENT.encode(), capture_output=True)
        local = await server.run("router-control", "--local", "extensions", "get", "upper", "--output", "yaml")
        found = await server.run("ringback", "router-control", "registry", "stats", "--format", "json")
    away = await server.run("router-control", "extensions", "list")

    assert made[0] == 0, made
    assert json.loads(made[1])["created_by"] == "key:operator"
    assert (given.returncode, b"2026-01-05" in given.stdout) == (0, True), given
    assert (local[0], "created_by: key:operator" in local[1]) == (0, True), local
    assert json.loads(found[1])["total_extensions"] == 7
    assert (away[0], away[1].startswith(f"router-control: nobody answers at {server.url} (Connection refused)")) == (
        6, True,
    )  # fmt: skip
    assert server.keys.operator_key not in made[1] + local[1] + found[1] + away[1]


CUSTOMER = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
POLICY = "validators: [{id: pii_guard, on_fail: warn}]\nproviders: [{name: mock_provider}]\n"


@pytest.mark.contract("router R-6c")
def test_a_policy_is_made_shown_changed_and_ended(registry: Shell, tmp_path: Path) -> None:
    (tmp_path / "document.yaml").write_text(POLICY)
    named = ("--customer_id", CUSTOMER, "--format=json")
    words = ("policies", "create", "support_en", "--document", str(tmp_path / "document.yaml"))
    made = registry.router(*words, *named)
    assert (made.code, made.json["deadline_ms"], made.json["customer_id"]) == (0, 1500, CUSTOMER)
    assert registry.router(*words, *named).code == 4
    assert registry.router(*words).code == 2
    assert registry.router("policies", "get", "support_en", *named).json == made.json
    (listed,) = registry.router("policies", "list", "--format=json").json
    assert (listed, registry.router("policies", "list", *named).json) == (made.json, [made.json])
    assert (
        CUSTOMER in registry.router("policies", "list").out or "support_en" in registry.router("policies", "list").out
    )

    (tmp_path / "change.json").write_text('{"document": {"deadline_ms": 900}, "enabled": true}')
    update = ("policies", "update", "support_en", "--file", str(tmp_path / "change.json"), "--disabled", *named)
    merged = registry.router(*update, "--merge", "--if_revision", "1")
    assert (merged.json["enabled"], merged.json["deadline_ms"], merged.json["warnings"]) == (
        False, 900, ["deadline_below_sum"],
    )  # fmt: skip
    assert registry.router(*update, "--if_revision", "1").code == 4
    misspelt = tmp_path / "misspelt.yaml"
    misspelt.write_text("validators: [{id: pii_guard, on_fail: blok}]")
    refused = registry.router("policies", "update", "support_en", "--document", str(misspelt), *named)
    assert (refused.code, "validators[0].on_fail" in refused.err) == (2, True)

    busy = registry.router("extensions", "delete", "pii_guard")
    assert (busy.code, f"{CUSTOMER}/support_en" in busy.err) == (4, True)
    assert registry.router("extensions", "disable", "mock_provider").code == 4
    assert registry.router("extensions", "disable", "mock_provider", "--force").code == 0
    assert registry.router("policies", "delete", "support_en", *named).code == 0
    assert registry.router("policies", "get", "support_en", *named).code == 3
    assert registry.router("policies", "get", "", *named).code == 2
