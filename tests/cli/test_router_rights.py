"""The table of rights on the command line: each role may what it may over REST, and nothing else (router 4.1)."""

from dataclasses import replace
from typing import Final

import pytest

from ringback.customers.rights import RIGHTS, Right, may
from tests.cli.conftest import QUIET, Shell, served

pytestmark = [pytest.mark.long, pytest.mark.contract("router X-28, R-11a, R-11b, F-22")]

DENIED: Final = 5
OTHERS: Final = {
    "read phones", "write phones", "manage access", "know oneself", "keep the account", "run the platform",
    "read changes",
}  # fmt: skip
"""Rights that are not the router's."""
ACTIONS: Final[list[tuple[Right, tuple[str, ...]]]] = [
    ("read extensions", ("extensions", "list")),
    ("read extensions", ("extensions", "health")),
    ("read extensions", ("extensions", "breaker")),
    ("read extensions", ("extensions", "revisions", "openai_gpt4")),
    ("read extensions", ("extensions", "diff", "openai_gpt4", "1", "1")),
    ("read extensions", ("registry", "stats")),
    ("read extensions", ("policies", "list")),
    ("read extensions", ("policies", "get", "support")),
    ("run a pipeline", ("pipelines", "run", "support", "--text", "some")),
    ("run a pipeline", ("pipelines", "dry-run", "support", "--text", "some")),
    ("write policies", ("policies", "update", "support", "--enabled")),
    ("write extensions", ("extensions", "disable", "openai_gpt4")),
    ("write extensions", ("extensions", "breaker", "openai_gpt4", "--force", "closed")),
    ("run the registry", ("registry", "reload")),
    ("run the registry", ("registry", "nodes")),
    ("run the registry", ("registry", "effective")),
    ("read the audit", ("audit", "list")),
    ("read the audit", ("audit", "verify")),
]
ROLES: Final = ("viewer", "manager", "admin", "auditor", "operator")


def test_each_right_of_the_router_is_needed_by_some_command() -> None:
    assert {right for right, _ in ACTIONS} == RIGHTS.keys() - OTHERS


def test_each_role_may_on_the_command_line_what_the_table_says(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(shell.home) as keys:
        someone, owner = replace(shell, way=QUIET), ("--customer_id", str(keys.customer_id))
        document = shell.home / "document.json"
        document.write_text('{"pre": [{"id": "normalize_text"}]}')
        made = someone.router("policies", "create", "support", "--document", str(document), *owner)
        assert made.code == 0, made
        for role in ROLES:
            whose = () if role == "operator" else owner
            new = shell.ringback("key", "create", f"a-{role}", "--role", role, *whose, "--format", "json")
            monkeypatch.setenv("RINGBACK_URL", keys.url)
            monkeypatch.setenv("RINGBACK_KEY", new.json["key"])
            for right, words in ACTIONS:
                named = owner if role == "operator" and words[0] in ("policies", "pipelines") else ()
                ran = someone.router(*words, *named)
                assert ran.code == (0 if may({role}, right) else DENIED), (role, words, ran)
            monkeypatch.delenv("RINGBACK_URL")
            monkeypatch.delenv("RINGBACK_KEY")
