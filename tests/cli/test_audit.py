"""`ringback audit`: who changed what, on the database itself."""

import re
import shlex

import msgspec
import pytest

from ringback.kit.typist import user
from tests.cli.conftest import Shell
from tests.house import ROOT

pytestmark = pytest.mark.long


def test_a_command_is_named_in_the_log_by_who_typed_it(shell: Shell) -> None:
    made = shell.create("1001", "--name", "Front desk")
    shell.control("extension", "update", "--id", made["id"], "--name", "Reception")

    listed = shell.ringback("audit", "list", "--kind", "extension", "--format", "json")

    assert (listed.code, listed.err) == (0, "")
    assert [(entry["action"], entry["actor"], entry["source"]) for entry in listed.json] == [
        ("updated", f"cli:{user()}", "cli"),
        ("created", f"cli:{user()}", "cli"),
    ]
    assert listed.json[0]["changes"] == {"name": {"old": "Front desk", "new": "Reception"}}
    assert made["password"] not in listed.out


def test_a_list_is_as_long_as_asked_for_and_narrowed_as_asked_for(shell: Shell) -> None:
    for number in range(105):
        shell.sql(
            "INSERT INTO ringback_audit (tm, actor, source, action, kind, object_id, changed) "
            "VALUES (?, 'system', 'system', 'created', 'thing', ?, '[]')",
            f"2026-02-11 09:30:{number % 60:02}.000000",
            bytes(15) + bytes([number + 1]),
        )

    assert len(shell.ringback("audit", "list", "--format", "json").json) == 20
    every = shell.ringback("audit", "list", "--limit", "103", "--kind", "thing", "--format", "json").json
    assert [entry["id"] for entry in every] == sorted((entry["id"] for entry in every), reverse=True)
    assert len({entry["id"] for entry in every}) == 103
    window = ("--from", "2026-02-11T10:30:03+01:00", "--to", "2026-02-11T09:30:04Z")
    some = shell.ringback("audit", "list", *window, "--format", "json").json
    assert {entry["tm"] for entry in some} == {"2026-02-11T09:30:03Z"}


def test_one_change_as_a_table_as_json_and_as_yaml(shell: Shell) -> None:
    shell.create("1001", "--name", "Front desk")
    (entry,) = shell.ringback("audit", "list", "--kind", "extension", "--format", "json").json
    number = str(entry["id"])

    table, yaml = (shell.ringback("audit", "show", number, *more) for more in ((), ("--format", "yaml")))

    assert shell.ringback("audit", "show", number, "--format", "json").json == entry
    assert msgspec.yaml.decode(yaml.out) == entry
    assert ("after.name" in table.out and "Front desk" in table.out, entry["object_id"] in table.out) == (True, True)
    assert ("created" in (whole := shell.ringback("audit", "list").out), number in whole) == (True, True)


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("list", "--customer_id", "acme", "--from", "yesterday"), 2, ["--customer_id", "--from"]),
        (("list", "--kind", ""), 2, ["--kind"]),
        (("show", "4711"), 3, ["no such entry"]),
    ],
)
def test_what_cannot_be_shown_is_told_in_one_line(
    shell: Shell, words: tuple[str, ...], code: int, named: list[str]
) -> None:
    shell.create("1001")
    refused = shell.ringback("audit", *words)

    assert (refused.code, refused.out, refused.err.count("\n")) == (code, "", 1)
    assert [name for name in named if name not in refused.err] == []


def test_the_commands_of_the_page_work(shell: Shell) -> None:
    shell.create("1001")
    (block,) = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/audit.md").read_text(), re.DOTALL)
    lines = [shlex.split(line) for line in block.splitlines()]

    assert [shell.ringback(*words[1:]).code for words in lines] == [0] * len(lines)
    assert len(lines) == 4
