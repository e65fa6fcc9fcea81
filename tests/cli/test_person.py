"""`ringback person`: people on the database itself."""

import io
import re
import shlex
import sys
from pathlib import Path
from uuid import UUID

import pytest

from ringback.customers.people.passwords import HASHER
from tests.cli.conftest import Shell

pytestmark = pytest.mark.long


def test_a_person_is_made_listed_and_deleted(shell: Shell) -> None:
    made = shell.ringback("person", "create", "Pat@example.com", "--role", "operator", "--format", "json")
    assert (made.code, made.json["email"], len(made.json["password"])) == (0, "pat@example.com", 24)
    (row,) = shell.sql("SELECT password_hash FROM customer_people")
    assert HASHER.verify(row["password_hash"], made.json["password"])
    assert shell.ringback("person", "create", "pat@EXAMPLE.com", "--role", "viewer").code == 4

    (listed,) = shell.ringback("person", "list", "--format", "json").json
    assert (listed["email"], "password" in listed) == ("pat@example.com", False)
    assert shell.ringback("person", "list", "--customer", shell.customer, "--format", "json").json == []
    assert shell.ringback("person", "delete", "PAT@example.com").code == 0
    assert shell.ringback("person", "delete", "pat@example.com").code == 3


def test_a_password_comes_from_stdin_and_from_no_flag(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.ringback("person", "create", "pat@example.com", "--role", "viewer")
    monkeypatch.setitem(vars(sys), "stdin", io.StringIO("Sample-Pass-0010\n"))
    changed = shell.ringback("person", "password", "pat@example.com", "--password_stdin")

    assert (changed.code, "Sample-Pass" in changed.out) == (0, False)
    (row,) = shell.sql("SELECT password_hash FROM customer_people")
    assert HASHER.verify(row["password_hash"], "Sample-Pass-0010")
    refused = shell.ringback(
        "person", "create", "kim@example.com", "--role", "viewer", "--password", "Sample-Pass-0011"
    )
    assert (refused.code, len(shell.sql("SELECT id FROM customer_people"))) == (2, 1)


def test_every_faulty_flag_is_named_and_nobody_is_made(shell: Shell) -> None:
    refused = shell.ringback("person", "create", "pat", "--role", "root", "--customer", "acme")

    assert refused.code == 2
    assert [flag for flag in ("--email", "--role", "--customer_id") if flag not in refused.err] == []
    assert shell.ringback("person", "create", "pat@example.com", "--role", "admin").code == 2
    assert shell.sql("SELECT id FROM customer_people") == []


def test_the_commands_of_the_page_work_as_they_are_written(shell: Shell) -> None:
    lines = re.findall(
        r"^ringback (person .+)$", (Path(__file__).parents[2] / "docs/access.md").read_text(), re.MULTILINE
    )
    assert len(lines) == 7
    for line in lines:
        ran = shell.ringback(*shlex.split(line))
        assert ran.code == 0, (line, ran)


def test_sessions_are_listed_and_ended(shell: Shell) -> None:
    made = shell.ringback("person", "create", "pat@example.com", "--role", "viewer", "--format", "json").json
    ids = [str(UUID(int=number)) for number in (1, 2, 3)]
    for id in ids:
        shell.sql(
            "INSERT INTO customer_sessions (id, person_id, family_hash, refresh_hash, tm_create, tm_expire, address) "
            "VALUES (?, ?, 'family', 'hash', '2026-02-11 09:30:00.000000', '2999-02-11 09:30:00.000000', '192.0.2.7')",
            UUID(id).bytes,
            UUID(made["id"]).bytes,
        )

    listed = shell.ringback("person", "sessions", "pat@example.com", "--format", "json")
    assert ([one["id"] for one in listed.json], "hash" in listed.out) == (ids[::-1], False)
    assert "192.0.2.7" in shell.ringback("person", "sessions", "pat@example.com").out
    one = shell.ringback("person", "sign-out", "pat@example.com", "--session_id", ids[1])
    again = shell.ringback("person", "sign-out", "pat@example.com", "--session_id", ids[1])
    rest = shell.ringback("person", "sign-out", "PAT@example.com")
    wrong = shell.ringback("person", "sign-out", "pat@example.com", "--session_id", "7")

    assert (one.code, again.code, rest.code, wrong.code) == (0, 3, 0, 2)
    assert "2" in rest.out
    assert "--session_id" in wrong.err
    assert shell.ringback("person", "sessions", "pat@example.com", "--format", "json").json == []
    noted = shell.ringback("audit", "list", "--object_id", made["id"], "--format", "json").json
    assert [entry["action"] for entry in noted] == ["sessions_ended", "session_ended", "created"]
