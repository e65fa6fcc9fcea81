"""`registrar-control trunk …` as an operator types it."""

from typing import Any
from uuid import uuid4

import pytest

from ringback.kit.secret import Secret
from ringback.sip.digest import ha1
from tests.cli.conftest import Ran, Shell

pytestmark = pytest.mark.long

KEYS = [
    "id", "customer_id", "name", "detail", "domain_name", "auth_types", "realm", "username", "password", "allowed_ips",
    "tm_create", "tm_update", "tm_delete",
]  # fmt: skip
BY_BOTH = ("--username", "pbx01", "--password", "Sample-Pass-0001", "--allowed_ips", "203.0.113.7,198.51.100.9/28")


def create(shell: Shell, domain: str, *more: str) -> Ran:
    return shell.control("trunk", "create", "--customer_id", shell.customer, "--domain", domain, *more)


def made(shell: Shell, domain: str = "carrier-a", *more: str) -> dict[str, Any]:
    ran = create(shell, domain, *(more or BY_BOTH), "--format", "json")
    assert ran.code == 0, ran
    return dict(ran.json)


def update(shell: Shell, trunk: dict[str, Any], *more: str) -> dict[str, Any]:
    ran = shell.control("trunk", "update", "--id", trunk["id"], "--format", "json", *more)
    assert ran.code == 0, ran
    return dict(ran.json)


@pytest.mark.contract("registrar R-76, R-78")
@pytest.mark.parametrize(
    ("flags", "ways"), [(BY_BOTH, ["basic", "ip"]), (BY_BOTH[:4], ["basic"]), (BY_BOTH[4:], ["ip"])]
)
def test_how_a_trunk_proves_itself_follows_from_the_flags(
    shell: Shell, flags: tuple[str, ...], ways: list[str]
) -> None:
    trunk = made(shell, "Carrier-A", *flags, "--name", "Carrier A", "--detail", "d")

    assert list(trunk) == KEYS
    assert (trunk["domain_name"], trunk["name"], trunk["detail"]) == ("carrier-a", "Carrier A", "d")
    assert trunk["auth_types"] == ways
    assert trunk["allowed_ips"] == (["203.0.113.7", "198.51.100.0/28"] if "ip" in ways else [])
    assert (trunk["username"], trunk["password"]) == (("pbx01", "Sample-Pass-0001") if "basic" in ways else ("", ""))
    (auth,) = shell.sql("SELECT reference_type, realm, username FROM registrar_sip_auths")
    assert auth == {"reference_type": "trunk", "realm": "carrier-a.trunk.localhost", "username": trunk["username"]}


@pytest.mark.contract("registrar R-76, R-44")
def test_a_password_not_given_is_made_and_shown_once(shell: Shell) -> None:
    ran = create(shell, "carrier-a", "--username", "pbx01")

    password = ran.out.split("password: ")[1].split()[0]
    (row,) = shell.sql("SELECT ha1, realm FROM registrar_trunks")
    assert len(password) >= 20
    assert row["ha1"] == ha1("pbx01", row["realm"], Secret(password)).md5
    listed = shell.control("trunk", "list", "--customer_id", shell.customer, "--format", "json")
    assert [item["password"] for item in listed.json] == [""]


@pytest.mark.contract("registrar R-78")
def test_what_is_missing_without_a_terminal_is_a_usage_error(shell: Shell) -> None:
    for words in (("create",), ("get",), ("list",), ("update",), ("delete",)):
        ran = shell.control("trunk", *words)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), ran
    id = made(shell)["id"]

    nothing = shell.control("trunk", "update", "--id", id)
    unasked = shell.control("trunk", "update", "--id", id, "--password", "-")

    assert (nothing.code, nothing.err.count("--")) == (2, 7)
    assert (unasked.code, "terminal" in unasked.err) == (2, True)


@pytest.mark.contract("registrar R-44")
@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ((), ["--username"]),
        (("--password", "Sample-Pass-0001"), ["--username"]),
        (("--allowed_ips", ""), ["--username"]),
        (("--allowed_ips", "203.0.113.7,nonsense,::/0"), ["--allowed_ips[1]", "--allowed_ips[2]"]),
        (("--allowed_ips", "203.0.113.7,"), ["--allowed_ips[1]"]),
        (("--username", "a b", "--password", "short"), ["--username", "--password"]),
        (("--username", "a", "--password", ""), ["--password"]),
    ],
)
def test_every_faulty_flag_is_named_by_its_flag(shell: Shell, flags: tuple[str, ...], named: list[str]) -> None:
    ran = create(shell, "a", *flags)

    assert ran.code == 2
    assert [ran.err.count(f"{flag} ") for flag in ["--domain", *named]] == [1] * (1 + len(named)), ran.err
    assert "auth_types" not in ran.err
    assert shell.sql("SELECT * FROM registrar_trunks") == []


@pytest.mark.contract("registrar R-76")
def test_get_shows_how_a_trunk_proves_itself_and_that_it_does_not_register(shell: Shell) -> None:
    trunk = made(shell)

    shown = shell.control("trunk", "get", "--id", trunk["id"])
    in_json = shell.control("trunk", "get", "--id", trunk["id"], "--format", "json")

    for text in ("basic, ip", "pbx01", "203.0.113.7, 198.51.100.0/28", trunk["realm"], "not applicable"):
        assert text in shown.out
    assert "Sample-Pass-0001" not in shown.out
    assert in_json.json == {**trunk, "password": ""}


@pytest.mark.contract("registrar R-76")
def test_a_list_is_filtered_and_paged(shell: Shell) -> None:
    for letter in "abc":
        made(shell, f"carrier-{letter}", "--username", f"pbx-{letter}", "--name", letter.upper())
    of = ("trunk", "list", "--customer_id", shell.customer, "--format", "json")

    first = shell.control(*of, "--limit", "2")
    second = shell.control(*of, "--limit", "2", "--token", first.err.split("--token ")[1].strip())
    one = shell.control(*of, "--domain", "carrier-b", "--username", "pbx-b", "--name", "B")

    assert [item["name"] for item in first.json + second.json] == ["C", "B", "A"]
    assert [item["name"] for item in one.json] == ["B"]
    assert shell.control(*of, "--limit", "0").code == shell.control(*of, "--token", "nonsense").code == 2
    assert "carrier-a" in shell.control("trunk", "list", "--customer-id", shell.customer).out
    assert shell.control("trunk", "list", "--customer_id", str(uuid4())).out == "Trunks: none\n"


@pytest.mark.contract("registrar R-76, R-45")
def test_update_changes_what_is_named_and_how_the_trunk_proves_itself_follows(shell: Shell) -> None:
    trunk = made(shell, "carrier-a", "--username", "pbx01", "--name", "old", "--detail", "kept")

    renamed = update(shell, trunk, "--name", "new")
    both = update(shell, trunk, "--allowed-ips", "203.0.113.7, 203.0.113.8")
    by_address = update(shell, trunk, "--username", "")
    again = update(shell, trunk, "--username", "pbx02")
    by_digest = update(shell, trunk, "--allowed_ips", "")
    rotated = update(shell, trunk, "--username", "pbx03", "--password", "Another-Pass-2")

    assert (renamed["name"], renamed["detail"], renamed["auth_types"]) == ("new", "kept", ["basic"])
    assert (both["auth_types"], both["allowed_ips"]) == (["basic", "ip"], ["203.0.113.7", "203.0.113.8"])
    assert (by_address["auth_types"], by_address["username"]) == (["ip"], "")
    assert (again["auth_types"], len(again["password"]) >= 20) == (["basic", "ip"], True)
    assert (by_digest["auth_types"], by_digest["allowed_ips"], by_digest["password"]) == (["basic"], [], "")
    assert (rotated["username"], rotated["password"]) == ("pbx03", "Another-Pass-2")


@pytest.mark.contract("registrar R-45")
def test_an_update_after_which_the_trunk_would_be_wrong_is_refused(shell: Shell) -> None:
    trunk = made(shell, "carrier-a", "--username", "pbx01")
    before = shell.sql("SELECT * FROM registrar_trunks")

    for flags, named in (
        (("--username", "pbx02"), "--password"),
        (("--username", ""), "--username"),
        (("--password", ""), "--password"),
        (("--allowed_ips", "0.0.0.0/0"), "--allowed_ips[0]"),
    ):
        ran = shell.control("trunk", "update", "--id", trunk["id"], "--name", "new", *flags)
        assert (ran.code, named in ran.err) == (2, True), ran
    assert shell.sql("SELECT * FROM registrar_trunks") == before


@pytest.mark.contract("registrar R-76")
def test_a_way_that_was_switched_off_is_not_switched_on_by_an_update_of_something_else(shell: Shell) -> None:
    trunk = made(shell)
    shell.ringback("rpc", "PUT", f"/v1/trunks/{trunk['id']}", "--data", '{"auth_types": ["ip"]}')

    updated = update(shell, trunk, "--name", "new", "--allowed_ips", "203.0.113.9")

    assert (updated["auth_types"], updated["username"]) == (["ip"], "pbx01")
    assert update(shell, trunk, "--password", "Another-Pass-2")["auth_types"] == ["basic", "ip"]


@pytest.mark.contract("registrar R-78")
def test_delete_asks_and_force_does_not(shell: Shell) -> None:
    trunk = made(shell)

    unasked = shell.control("trunk", "delete", "--id", trunk["id"])
    forced = shell.control("trunk", "delete", "--id", trunk["id"], "--force", "--format", "json")

    assert (unasked.code, "--force" in unasked.err) == (2, True)
    assert (forced.code, forced.json["tm_delete"] is None) == (0, False)
    assert shell.sql("SELECT * FROM registrar_sip_auths") == []


@pytest.mark.contract("registrar R-76")
def test_the_exit_code_tells_not_found_from_conflict(shell: Shell) -> None:
    made(shell)

    taken = create(shell, "CARRIER-A", "--username", "x")

    assert (taken.code, taken.out) == (4, "")
    for words in (("get",), ("update", "--name", "x"), ("delete", "--force")):
        assert shell.control("trunk", *words, "--id", str(uuid4())).code == 3


@pytest.mark.contract("registrar R-45")
def test_a_new_username_needs_a_password_or_one_to_be_made(shell: Shell) -> None:
    id = made(shell, "carrier-a", "--username", "pbx01", "--password", "Sample-Pass-0001")["id"]

    alone = shell.control("trunk", "update", "--id", id, "--username", "pbx02")
    both = shell.control("trunk", "update", "--id", id, "--username", "pbx02", "--generate_password")
    again = shell.control("trunk", "update", "--id", id, "--generate-password", "--format", "json")

    assert (alone.code, "--password" in alone.err, "password_regenerate" in alone.err) == (2, True, False)
    assert (both.code, "shown this once" in both.out) == (0, True)
    assert (again.json["username"], len(again.json["password"]) >= 20) == ("pbx02", True)


def test_a_trunk_becomes_the_one_that_phones_call_out_by_and_ceases_to_be(shell: Shell) -> None:
    trunk = made(shell, "carrier-a", *BY_BOTH, "--outbound")

    assert trunk["outbound"] is True
    refused = create(shell, "carrier-b", "--username", "pbx01", "--outbound")
    assert (refused.code, "--outbound is carrier-a's already" in refused.err) == (4, True), refused
    assert update(shell, trunk, "--name", "x")["outbound"] is True
    assert "outbound" not in update(shell, trunk, "--no_outbound")
