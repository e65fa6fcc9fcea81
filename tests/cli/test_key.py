"""`ringback key`: access keys on the database itself."""

import re
import shlex
from pathlib import Path

import pytest

from ringback.customers.keys.model import token_hash
from ringback.customers.rights import OF_CUSTOMERS, PLATFORM, SCOPES
from tests.cli.conftest import Shell

pytestmark = pytest.mark.long

PAGE = Path(__file__).parents[2] / "docs" / "access.md"


def kept(shell: Shell) -> list[dict[str, object]]:
    return shell.sql("SELECT token_hash, token_prefix, roles, name FROM registrar_accesskeys ORDER BY tm_create")


def test_the_first_key_is_the_operators_and_there_is_one_first(shell: Shell) -> None:
    made = shell.ringback("key", "create", "--bootstrap", "--format", "json")
    assert (made.code, made.json["roles"], made.json["customer_id"]) == (0, ["operator"], None)
    (row,) = kept(shell)
    assert row["token_hash"] == token_hash(made.json["key"])
    assert row["token_prefix"] == made.json["prefix"] == made.json["key"][:10]

    again = shell.ringback("key", "create", "--bootstrap")
    assert (again.code, again.out, "access keys already" in again.err) == (4, "", True)
    shell.ringback("key", "revoke", made.json["prefix"])
    assert shell.ringback("key", "create", "--bootstrap").code == 4
    assert shell.ringback("key", "create", "ops", "--bootstrap").code == 2
    assert len(kept(shell)) == 1


def test_a_key_is_shown_once_and_stands_nowhere_in_clear(shell: Shell) -> None:
    made = shell.ringback("key", "create", "night watch", "--role", "auditor", "--role", "viewer")
    key = made.out.rsplit("key: ", 1)[1].split()[0]
    assert (made.code, made.err, len(key)) == (0, "", 46)

    listed = shell.ringback("key", "list")
    assert ("night watch" in listed.out, key[:10] in listed.out, "auditor, viewer" in listed.out) == (True,) * 3
    assert key not in listed.out
    for file in Path(shell.home).iterdir():
        assert key.encode() not in file.read_bytes(), file


def test_a_customers_key_has_roles_of_customers_and_an_end(shell: Shell) -> None:
    of = ("--customer", shell.customer, "--format", "json")
    made = shell.ringback("key", "create", "door", "--role", "manager", "--expires_in_days", "30", *of)
    assert (made.code, made.json["customer_id"], made.json["state"]) == (0, shell.customer, "working")
    shell.ringback("key", "create", "ops", "--role", "operator")
    (theirs,) = shell.ringback("key", "list", *of).json
    assert (theirs["name"], theirs["tm_expire"] > theirs["tm_create"], "key" in theirs) == ("door", True, False)
    shell.sql("UPDATE registrar_accesskeys SET tm_expire = '2026-01-01 00:00:00.000000' WHERE name = 'door'")

    found = {key["name"]: key["state"] for key in shell.ringback("key", "list", "--format", "json").json}
    assert found == {"door": "expired", "ops": "working"}


@pytest.mark.parametrize(
    ("words", "faulty"),
    [
        ((), ["--name", "--role"]),
        (("ops", "--role", "admin"), ["--role"]),
        (("x" * 201, "--role", "operator"), ["--name"]),
        (("ops", "--role", "operator", "--customer", "{customer}"), ["--role"]),
        (("ops", "--role", "admin", "--customer", "acme", "--expires_in_days", "0"), ["--customer_id", "--expires"]),
        (("a\nb", "--role", "root", "--expires_in_days", "soon"), ["--name", "--role", "--expires_in_days"]),
    ],
    ids=str,
)
def test_every_faulty_flag_is_named_and_no_key_is_made(shell: Shell, words: tuple[str, ...], faulty: list[str]) -> None:
    refused = shell.ringback("key", "create", *(word.format(customer=shell.customer) for word in words))

    assert (refused.code, refused.out) == (2, "")
    assert [flag for flag in faulty if flag not in refused.err] == []
    assert kept(shell) == []


def test_a_key_may_be_held_to_scopes_and_networks(shell: Shell) -> None:
    words = ("--role", "viewer", "--scope", "phones:read", "--source_cidr", "203.0.113.7/24", "--format", "json")
    made = shell.ringback("key", "create", "reader", *words).json
    assert (made["scopes"], made["source_cidrs"]) == (["phones:read"], ["203.0.113.0/24"])
    assert "phones:read" in shell.ringback("key", "create", "reader", *words[:-2]).out

    refused = shell.ringback("key", "create", "x", "--role", "viewer", "--scope", "a:b", "--source_cidr", "here")
    assert (refused.code, "--scope[0]" in refused.err, "--source_cidr[0]" in refused.err) == (2, True, True)


def test_a_key_is_revoked_by_its_prefix_or_its_id_and_stays_so(shell: Shell) -> None:
    made = [
        shell.ringback("key", "create", name, "--role", "viewer", "--format", "json").json for name in ("one", "two")
    ]
    ended = shell.ringback("key", "revoke", made[0]["prefix"], "--format", "json")
    assert (ended.code, ended.json["name"], ended.json["state"]) == (0, "one", "revoked")
    again = shell.ringback("key", "revoke", made[0]["id"], "--format", "json")
    assert again.json["tm_revoke"] == ended.json["tm_revoke"]
    assert [key["state"] for key in shell.ringback("key", "list", "--format", "json").json] == ["revoked", "working"]

    assert shell.ringback("key", "revoke", "rb_nobody0").code == 3
    refused = shell.ringback("key", "revoke", made[1]["key"])
    assert (refused.code, made[1]["key"] in refused.err) == (2, False)
    shell.sql("UPDATE registrar_accesskeys SET token_prefix = 'rb_1234567'")
    assert shell.ringback("key", "revoke", "rb_1234567").code == 4
    assert shell.ringback("key", "revoke", made[1]["id"], "--format", "json").json["state"] == "revoked"


def test_the_commands_of_the_page_work_as_they_are_written(shell: Shell) -> None:
    lines = re.findall(r"^ringback (key .+)$", PAGE.read_text(), re.MULTILINE)
    assert len(lines) == 6
    for line in lines:
        if prefix := re.search(r"revoke (\S+)", line):
            shell.sql("UPDATE registrar_accesskeys SET token_prefix = ? WHERE name = 'night-watch'", prefix[1])
        ran = shell.ringback(*shlex.split(line))
        assert ran.code == 0, (line, ran)


def test_the_page_names_every_scope_and_every_role() -> None:
    page = PAGE.read_text()

    assert [name for name in SCOPES | OF_CUSTOMERS | PLATFORM if f"`{name}`" not in page] == []
