"""`router-control pipelines`: runs and dry runs, the same over REST and in one process."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Shell

pytestmark = pytest.mark.long

SUPPORT = {
    "pre": [{"id": "normalize_text"}],
    "validators": [{"id": "pii_guard"}],
    "providers": [{"id": "mock_provider", "config": {"latency_ms": 0}}],
    "post": [{"id": "mask_sensitive_data"}],
}


def of(registry: Shell) -> tuple[str, ...]:
    return ("--customer_id", registry.customer)


@pytest.fixture
def support(registry: Shell, tmp_path: Path) -> str:
    """A policy of the customer's, which the built-in workers serve."""
    file = tmp_path / "support.json"
    file.write_text(json.dumps(SUPPORT))
    made = registry.router("policies", "create", "support_en", "--document", str(file), *of(registry))
    assert made.code == 0, made
    return "support_en"


def test_a_text_goes_through_and_its_steps_are_a_table(registry: Shell, support: str) -> None:
    ran = registry.router("pipelines", "run", support, "--text", "  Call 555-0100 NOW ", *of(registry))

    assert ran.code == 0, ran
    for word in ("normalize_text", "pii_guard", "mock_provider", "mask_sensitive_data"):
        assert word in ran.out
    assert ran.out.splitlines()[-1].startswith("mock_provider: call ")


def test_programs_get_the_whole_answer(registry: Shell, support: str) -> None:
    message: dict[str, Any] = {"payload": " HELLO ", "message_id": "m-1"}
    words = ("--message_json", json.dumps(message), "--context_json", '{"lang": "en"}', "--trace_id", "t-1")

    done = registry.router("pipelines", "run", support, *words, *of(registry), "--format", "json").json

    assert (done["message"], done["trace_id"]) == ({"payload": "hello", "message_id": "m-1"}, "t-1")
    assert [one["status"] for one in done["executed_extensions"]] == ["ok"] * 4
    assert done["reply"]["output"] == "hello"


def test_a_run_that_fails_shows_how_far_it_came(registry: Shell, support: str) -> None:
    ran = registry.router("pipelines", "run", support, "--text", "to anna@example.com", *of(registry))

    assert (ran.code, "A validator has blocked the request. (field payload, pattern email" in ran.err) == (5, True)
    assert "pii_guard" in ran.out
    assert "anna" not in ran.out + ran.err
    told = registry.router("pipelines", "run", support, "--text", "to a@example.com", *of(registry), "--format", "json")
    assert (told.code, told.json["run"]["extension_id"]) == (5, "pii_guard")
    late = registry.router(
        "pipelines", "run", support, "--context_json", '{"deadline": 1}', "--text", "x", *of(registry)
    )
    assert late.code == 6
    for words, code in ((("nobody", "--text", "x"), 3), ((support,), 2), ((support, "--message_json", "["), 2)):
        assert registry.router("pipelines", "run", *words, *of(registry)).code == code, words


def test_a_dry_run_shows_what_each_step_changes(registry: Shell, support: str, tmp_path: Path) -> None:
    tried = registry.router("pipelines", "dry-run", support, "--text", "HELLO", *of(registry))
    assert (tried.code, "/payload" in tried.out, tried.out.splitlines()[-1]) == (0, True, "hello")
    blocked = registry.router("pipelines", "dry-run", support, "--text", "a@example.com", *of(registry))
    assert (blocked.code, "it would fail (pii_guard): VALIDATOR_BLOCKED" in blocked.out) == (0, True)

    none = registry.router("pipelines", "dry-run", support, *of(registry))
    assert (none.code, "--text is required, or --message_json" in none.err) == (2, True)
    file = tmp_path / "another.yaml"
    file.write_text("pre:\n- id: normalize_text\n")
    says = tmp_path / "says.yaml"
    says.write_text("providers:\n- id: mock_provider\n  config: {mode: error}\n")
    failed = registry.router("pipelines", "dry-run", "--document", str(says), "--text", "x", "--provider", "real")
    assert (failed.code, "EXTENSION_ERROR: " in failed.out) == (0, True)
    says.write_text("{")
    wrong = registry.router("pipelines", "dry-run", "--document", str(says), "--text", "x")
    assert (wrong.code, wrong.err.startswith(f"router-control: --document: {says} is no JSON")) == (2, True)
    says.write_text("pre: [{id: nobody}]")
    wrong = registry.router("pipelines", "dry-run", "--document", str(says), "--text", "x")
    assert (wrong.code, "--document.pre[0].id names no router extension" in wrong.err) == (2, True)
    for given in ((support, "--document", str(says)), ()):
        unsure = registry.router("pipelines", "dry-run", *given, "--text", "x", *of(registry))
        assert (unsure.code, "--document is to be given, or POLICY: one of them" in unsure.err) == (2, True)
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    refused = registry.router("pipelines", "run", support, "--message_json", deep, *of(registry))
    assert (refused.code, "--message_json is nested too deeply" in refused.err) == (2, True)
    words = ("--document", str(file), "--text", "HELLO", "--format", "json")
    done = registry.router("pipelines", "dry-run", *words).json
    assert done["final_payload"] == {"payload": "hello"}
    request = tmp_path / "request.yaml"
    request.write_text("policy_id: support_en\nmessage: {payload: HELLO}\nprovider: none\n")
    none = registry.router("pipelines", "dry-run", "--file", str(request), *of(registry), "--format", "json").json
    assert (none["provider_selected"], none["post_processors_executed"]) == ("mock_provider", [])
