"""`registrar-control customer …` as an operator types it."""

import json

import pytest

from tests.cli.conftest import Ran, Shell
from tests.cli.test_terminal import Talk

pytestmark = pytest.mark.long

KEYS = ["customer_id", "status", "extensions", "limit_extension", "trunks", "limit_trunk"]
NIL = "00000000-0000-0000-0000-000000000000"


def customer(shell: Shell, verb: str, *more: str) -> Ran:
    return shell.control("customer", verb, "--customer_id", shell.customer, *more)


def trunk(shell: Shell, domain: str) -> Ran:
    words = ("--customer_id", shell.customer, "--domain", domain, "--allowed_ips", "203.0.113.7")
    return shell.control("trunk", "create", *words)


@pytest.mark.contract("registrar R-76")
def test_a_customer_is_shown_as_json_and_to_people(shell: Shell) -> None:
    shell.create("1001")
    trunk(shell, "carrier-a")

    shown = customer(shell, "get", "--format", "json", "--limit_extension_default", "7")
    people = customer(shell, "get")

    assert list(shown.json) == KEYS
    assert list(shown.json.values()) == [shell.customer, "active", 1, 7, 1, 0]
    assert (shown.code, people.code, shown.err) == (0, 0, "")
    assert all(key in people.out for key in KEYS)


def test_a_customer_of_whom_nobody_spoke_is_active_and_looking_makes_no_row(shell: Shell) -> None:
    assert list(customer(shell, "get", "--format", "json").json.values()) == [shell.customer, "active", 0, 0, 0, 0]
    assert shell.sql("SELECT * FROM registrar_customers") == []


@pytest.mark.contract("registrar R-70, R-76")
def test_limits_of_their_own_are_set_one_by_one(shell: Shell) -> None:
    first = customer(shell, "limit", "--extension", "1", "--format", "json").json
    second = customer(shell, "limit", "--trunk", "2147483647", "--format", "json").json
    shell.create("1001")

    full = shell.control("extension", "create", "--customer_id", shell.customer, "--extension_number", "1002")
    people = customer(shell, "limit", "--extension", "0", "--trunk", "2")

    assert (first["limit_extension"], first["limit_trunk"]) == (1, 0)
    assert (second["limit_extension"], second["limit_trunk"]) == (1, 2147483647)
    assert (full.code, full.out) == (1, "")
    assert people.code == 0
    assert shell.sql("SELECT limit_extension, limit_trunk FROM registrar_customers") == [
        {"limit_extension": 0, "limit_trunk": 2}
    ]
    shell.create("1002")


def test_a_limit_of_their_own_is_taken_back(shell: Shell) -> None:
    customer(shell, "limit", "--extension", "1", "--trunk", "2")
    shown = customer(shell, "limit", "--extension", "default", "--limit_extension_default", "7", "--format", "json")

    assert (shown.json["limit_extension"], shown.json["limit_trunk"]) == (7, 2)


@pytest.mark.parametrize("number", ["-1", "x", "", "1.5", "1e3", "٣", " 1", "2147483648", "9" * 30, "9" * 5000])
def test_a_limit_that_is_no_number_names_its_flag(shell: Shell, number: str) -> None:
    ran = customer(shell, "limit", f"--extension={number}", f"--trunk={number}")

    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.count(" must be a whole number from 0 to 2147483647") == 2
    assert " --extension must" in ran.err
    assert " --trunk must" in ran.err
    assert shell.sql("SELECT * FROM registrar_customers") == []


@pytest.mark.contract("registrar R-78")
def test_every_missing_flag_is_named_without_a_terminal(shell: Shell) -> None:
    for verb in ("get", "limit", "freeze", "recover", "delete"):
        ran = shell.control("customer", verb)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), ran
        assert "--customer_id is required" in ran.err
    for wrong in ("x", NIL, ""):
        assert shell.control("customer", "delete", "--force", f"--customer_id={wrong}").code == 2
    assert " --extension is required, or --trunk" in shell.control("customer", "limit").err
    assert shell.sql("SELECT * FROM registrar_customers") == []


def test_the_customer_of_keys_json_is_never_meant_by_itself(shell: Shell) -> None:
    kept = {"url": "http://x", "customer_id": shell.customer, "customer_key": "rb_1", "operator_key": "rb_2"}
    (shell.home / "keys.json").write_text(json.dumps(kept))

    assert shell.control("customer", "delete", "--force").code == 2
    assert customer(shell, "get", "--format", "json").json["status"] == "active"


@pytest.mark.contract("registrar R-68, R-28, R-76")
def test_freeze_and_recover_do_so_and_do_it_again(shell: Shell) -> None:
    hash = shell.create("1001", "--direct")["direct_hash"]
    new = ("extension", "create", "--customer_id", shell.customer, "--extension_number", "1002")
    lookup = ("rpc", "GET", f"/v1/extensions/by-direct-hash/{hash}")

    frozen = [customer(shell, "freeze", "--format", "json") for _ in range(2)]
    created, found = shell.control(*new), shell.ringback(*lookup)
    recovered = [customer(shell, "recover", "--format", "json") for _ in range(2)]

    assert [(ran.code, ran.json["status"]) for ran in (*frozen, *recovered)] == [(0, "frozen")] * 2 + [
        (0, "active")
    ] * 2
    assert (created.code, "frozen" in created.err) == (4, True)
    assert (found.code, found.json["data"]["reason"]) == (3, "DIRECT_NOT_FOUND")
    assert shell.control(*new).code == shell.ringback(*lookup).code == 0
    assert "frozen" in customer(shell, "freeze").out


@pytest.mark.contract("registrar R-67, R-28, R-76")
def test_delete_ends_all_and_can_be_run_again(shell: Shell) -> None:
    for number in ("1001", "1002"):
        shell.create(number, "--direct")
    trunk(shell, "carrier-a")

    ended = customer(shell, "delete", "--force", "--format", "json")
    again = customer(shell, "delete", "--force")

    assert (ended.code, list(ended.json.values())) == (0, [shell.customer, "deleted", 0, 0, 0, 0])
    assert ended.err == "3 deleted\n"
    assert (again.code, again.err) == (0, "0 deleted\n")
    for table in ("ps_endpoints", "ps_auths", "ps_aors", "registrar_sip_auths", "registrar_customer_domains"):
        assert shell.sql(f"SELECT * FROM {table}") == []
    told = "SELECT event_type FROM registrar_outbox WHERE event_type IN ('extension_deleted', 'trunk_deleted')"
    assert len(shell.sql(told)) == 3
    new = ("extension", "create", "--customer_id", shell.customer, "--extension_number", "1003")
    assert shell.control(*new).code == 4
    assert trunk(shell, "carrier-b").code == 4


@pytest.mark.contract("registrar R-67")
def test_deleted_is_the_end(shell: Shell) -> None:
    customer(shell, "delete", "--force")

    for verb in ("freeze", "recover"):
        ran = customer(shell, verb)
        assert (ran.code, ran.out, ran.err) == (4, "", "registrar-control: The customer is deleted.\n")
    assert customer(shell, "get", "--format", "json").json["status"] == "deleted"


@pytest.mark.contract("registrar R-78")
def test_delete_needs_a_yes_or_force(shell: Shell) -> None:
    shell.create()

    ran = customer(shell, "delete")

    assert (ran.code, ran.out, "--force" in ran.err, ran.err.count("\n")) == (2, "", True, 1)
    assert customer(shell, "get", "--format", "json").json["extensions"] == 1
    assert shell.sql("SELECT status FROM registrar_customers") == [{"status": "active"}]


@pytest.mark.contract("registrar R-67")
def test_what_cannot_be_deleted_is_told_and_the_rest_is_gone(shell: Shell) -> None:
    for number in ("1001", "1002", "1003"):
        shell.create(number)
    shell.sql(
        "CREATE TRIGGER stuck BEFORE UPDATE ON registrar_extensions WHEN OLD.extension = '1002'"
        " BEGIN SELECT RAISE(ABORT, 'it stays'); END"
    )

    failed = customer(shell, "delete", "--force")
    left = customer(shell, "get", "--format", "json").json
    shell.sql("DROP TRIGGER stuck")
    done = shell.control("reconcile")

    assert (failed.code, failed.out) == (1, "")
    assert failed.err.endswith("Some of the customer's objects could not be deleted.\n")
    assert (left["status"], left["extensions"]) == ("deleted", 1)
    assert done.code == 0
    assert customer(shell, "get", "--format", "json").json["extensions"] == 0
    assert shell.sql("SELECT * FROM registrar_customer_domains") == []


@pytest.mark.contract("registrar R-76")
def test_hyphens_do_for_underscores(shell: Shell) -> None:
    ran = shell.control("customer", "get", "--customer-id", shell.customer, "--format", "json")

    assert (ran.code, ran.json["customer_id"]) == (0, shell.customer)


def test_a_database_that_keeps_clear_passwords_is_not_touched_in_the_other_mode(shell: Shell) -> None:
    shell.create("1001", "--secret_storage", "plaintext")

    for words in (("freeze",), ("limit", "--extension", "1"), ("delete", "--force"), ("get",)):
        ran = customer(shell, *words)
        assert (ran.code, "secret_storage" in ran.err) == (2, True), ran
    assert shell.sql("SELECT status FROM registrar_customers") == [{"status": "active"}]


@pytest.mark.process
@pytest.mark.contract("registrar R-78")
def test_on_a_terminal_delete_shows_whom_and_a_no_keeps_them(shell: Shell) -> None:
    shell.create("1001")
    talk = Talk("customer", "delete", "--customer_id", shell.customer, "--ringback_home", str(shell.home))
    talk.until("for ever?")
    talk.type("n")

    assert talk.end() == 1
    assert "active" in talk.seen
    assert customer(shell, "get", "--format", "json").json["status"] == "active"
