"""`router-control`: the registry on the database itself."""

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

UPPER = ("upper", "--type", "pre", "--subject", "beamline.ext.pre.upper.v1")


def test_a_record_is_made_shown_changed_and_ended(shell: Shell) -> None:
    made = shell.router("extensions", "create", *UPPER, "--config_json", '{"language": "en"}', "--format", "json")
    assert (made.code, made.json["revision"], made.json["config"]) == (0, 1, {"language": "en"})
    assert made.json["created_by"].startswith("cli:")
    changed = shell.router(
        "extensions", "update", "upper", "--timeout_ms", "70", "--config_json", '{"x": 1}', "--merge", "--format=json"
    )
    assert (changed.json["timeout_ms"], changed.json["config"]) == (70, {"language": "en", "x": 1})
    assert shell.router("extensions", "disable", "upper").code == 0
    shown = shell.router("extensions", "get", "upper")
    assert "beamline.ext.pre.upper.v1" in shown.out
    back = shell.router("extensions", "rollback", "upper", "1", "--comment", "slow", "--format", "json")
    assert (back.json["timeout_ms"], back.json["enabled"], back.json["revision"]) == (5000, False, 4)
    assert shell.router("extensions", "delete", "upper").code == 0
    assert shell.router("extensions", "get", "upper").code == 3
    assert shell.router("extensions", "restore", "upper", "--format", "json").json["revision"] == 6


def test_a_list_is_by_type_and_id(shell: Shell) -> None:
    everything = [one["id"] for one in shell.router("extensions", "list", "--format", "json").json]
    assert everything == [
        "mask_sensitive_data", "normalize_text", "anthropic_claude", "mock_provider", "openai_gpt4", "pii_guard",
    ]  # fmt: skip
    assert "normalize_text" in shell.router("extensions", "list", "--type", "pre").out
    refused = shell.router("extensions", "list", "--type", "sink")
    assert (refused.code, "--type must be one of" in refused.err) == (2, True)


@pytest.mark.contract("router X-22, D-13")
def test_every_faulty_flag_is_named_at_once_and_nothing_is_written(shell: Shell) -> None:
    refused = shell.router("extensions", "create", "U", "--subject", "a.*", "--timeout_ms", "1", "--retry", "x")

    assert refused.code == 2
    for flag in ("--id must", "--type is required", "--subject must", "--timeout_ms must", "--retry must"):
        assert flag in refused.err
    assert len(shell.router("extensions", "list", "--format", "json").json) == 6
    assert shell.router("extensions", "create", *UPPER, "--config_json", "[").code == 2
    assert shell.router("extensions", "update", "pii_guard").code == 2
    late = shell.router("extensions", "update", "pii_guard", "--retry", "2", "--if_revision", "9")
    assert (late.code, "is not at the revision" in late.err) == (4, True)


@pytest.mark.contract("router R-1c, R-5c, X-9")
def test_sql_is_adopted_and_the_chain_is_proved(shell: Shell) -> None:
    shell.sql("UPDATE extensions SET subject = 'x.>' WHERE id = 'pii_guard'")
    assert shell.router("extensions", "get", "pii_guard").code == 3
    shell.sql("UPDATE extensions SET subject = 'beamline.ext.validate.pii_guard.v1' WHERE id = 'pii_guard'")
    shell.sql("UPDATE extensions SET timeout_ms = 90 WHERE id = 'normalize_text'")

    assert shell.router("registry", "reload").out.endswith("0 rows broken\n")
    entries = shell.router("audit", "list", "--format", "json").json
    assert [(one["changed_by"], one["extension_id"]) for one in entries[:2]] == [
        ("external:sql", "normalize_text"), ("system:initial", "pii_guard"),
    ]  # fmt: skip
    assert "normalize_text" in shell.router("audit", "list", "--id", "normalize_text").out
    assert shell.router("audit", "verify").out == f"{len(entries)} entries, all as they were written\n"
    shell.sql("DROP TRIGGER extension_audit_log_update")
    shell.sql("UPDATE extension_audit_log SET changed_by = 'nobody' WHERE id = 2")
    bad = shell.router("audit", "verify")
    assert (bad.code, bad.out.startswith("entry 2 is not as it was written")) == (1, True)


def test_the_commands_of_the_page_work_as_they_are_written(shell: Shell) -> None:
    page = (Path(__file__).parents[2] / "docs/operate-the-registry.md").read_text()
    lines = re.findall(r"^router-control (.+)$", page, re.MULTILINE)
    assert len(lines) > 8
    for line in lines:
        ran = shell.router(*shlex.split(line))
        assert ran.code == 0, (line, ran)
