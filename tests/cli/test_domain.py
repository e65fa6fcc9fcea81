"""`registrar-control domain …` as an operator types it."""

import json
from hashlib import md5
from uuid import uuid4

import pytest

from tests.cli.conftest import Ran, Shell
from tests.cli.test_terminal import Talk

pytestmark = pytest.mark.long

SOMEBODY = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
KEYS = ["customer_id", "domain_label", "realm", "tm_create", "tm_update"]


def set_label(shell: Shell, label: str, *more: str) -> Ran:
    return shell.control("domain", "set", "--customer_id", shell.customer, "--label", label, *more)


def get(shell: Shell, *more: str) -> Ran:
    return shell.control("domain", "get", "--customer_id", shell.customer, *more)


@pytest.mark.contract("registrar R-76, R-54")
def test_a_label_is_set_and_shown_as_the_rpc_object_and_to_people(shell: Shell) -> None:
    made = set_label(shell, "acme", "--format", "json")
    shown = get(shell, "--format", "json")
    people = get(shell)

    assert (made.code, shown.code, people.code) == (0, 0, 0)
    assert list(made.json) == KEYS
    assert made.json == shown.json
    assert (shown.json["customer_id"], shown.json["realm"]) == (shell.customer, "acme.registrar.localhost")
    assert (shown.json["tm_update"], shown.err) == (None, "")
    assert "acme.registrar.localhost" in people.out
    assert "Phones" not in set_label(shell, "other").out


@pytest.mark.contract("registrar R-76")
def test_there_is_no_domain_before_the_first_extension(shell: Shell) -> None:
    assert (get(shell).code, get(shell).out) == (3, "")

    shell.create()

    assert get(shell, "--format", "json").json["domain_label"] == shell.customer


@pytest.mark.contract("registrar R-55")
def test_phones_keep_the_label_unless_they_are_reissued(shell: Shell) -> None:
    made = shell.create("1001", "--direct")
    second = shell.create("1002")

    refused = set_label(shell, "acme")
    moved = set_label(shell, "acme", "--reissue", "--force", "--format", "json")

    assert (refused.code, refused.out) == (4, "")
    assert "digests hold the realm" in refused.err
    assert moved.code == 0
    assert list(moved.json) == [*KEYS, "extensions"]
    assert [(phone["id"], phone["direct_hash"]) for phone in moved.json["extensions"]] == [
        (made["id"], made["direct_hash"]),
        (second["id"], ""),
    ]
    for phone in moved.json["extensions"]:
        digest = md5(f"{phone['username']}:acme.registrar.localhost:{phone['password']}".encode()).hexdigest()
        rows = shell.sql("SELECT md5_cred FROM ps_auths WHERE id = ?", phone["endpoint_id"])
        assert rows == [{"md5_cred": digest}]
        assert phone["password"] not in moved.err
    assert shell.control("extension", "get", "--id", made["id"], "--format", "json").json["password"] == ""


@pytest.mark.contract("registrar R-55")
def test_people_see_each_new_password_once(shell: Shell) -> None:
    shell.create("1001")
    long = shell.create("1" * 40)

    moved = set_label(shell, "acme", "--reissue", "--force")
    again = set_label(shell, "acme", "--force")

    rows = {row["username"]: row["md5_cred"] for row in shell.sql("SELECT username, md5_cred FROM ps_auths")}
    assert moved.code == again.code == 0
    assert "shown this once" in moved.out
    words = moved.out.replace("│", " ").split()
    for username, digest in rows.items():
        (password,) = [
            word for word in words if md5(f"{username}:acme.registrar.localhost:{word}".encode()).hexdigest() == digest
        ]
        assert password not in again.out
    assert f"{long['extension']}@acme.registrar.localhost" in words
    assert {row["username"]: row["md5_cred"] for row in shell.sql("SELECT * FROM ps_auths")} == rows


@pytest.mark.contract("registrar R-55")
def test_clear_passwords_move_without_reissue(shell: Shell) -> None:
    made = shell.create("1001", "--secret_storage", "plaintext", "--password", "Sample-Pass-0001")

    moved = set_label(shell, "acme", "--secret_storage", "plaintext", "--format", "json")

    (phone,) = moved.json["extensions"]
    assert (phone["id"], phone["password"]) == (made["id"], "")
    assert shell.sql("SELECT realm, password FROM ps_auths") == [
        {"realm": "acme.registrar.localhost", "password": "Sample-Pass-0001"}
    ]


@pytest.mark.contract("registrar R-78")
def test_new_passwords_need_a_yes_or_force(shell: Shell) -> None:
    shell.create()

    asked = set_label(shell, "acme", "--reissue")
    alone = shell.control("domain", "set", "--customer_id", str(uuid4()), "--label", "acme", "--reissue")

    assert (asked.code, asked.out, asked.err.count("\n")) == (2, "", 1)
    assert "--force" in asked.err
    assert get(shell, "--format", "json").json["domain_label"] == shell.customer
    assert alone.code == 0, "there is no phone to lose its password"


@pytest.mark.contract("registrar R-55")
@pytest.mark.parametrize("more", [(), ("--reissue", "--force")])
def test_a_label_that_may_not_be_names_its_flag(shell: Shell, more: tuple[str, ...]) -> None:
    shell.create()
    for label in ("direct", "a" * 64, "Acme", "", SOMEBODY):
        ran = shell.control("domain", "set", "--customer_id", shell.customer, f"--label={label}", *more)

        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert " --label must be 2 to 63" in ran.err
    labels = shell.sql("SELECT domain_label FROM registrar_customer_domains")
    assert labels == [{"domain_label": shell.customer}]


@pytest.mark.contract("registrar R-55, R-76")
def test_a_label_of_somebody_else_is_a_conflict(shell: Shell) -> None:
    shell.control("domain", "set", "--customer_id", str(uuid4()), "--label", "acme")

    ran = set_label(shell, "acme")

    assert (ran.code, ran.out) == (4, "")
    assert " --label is taken" in ran.err


@pytest.mark.contract("registrar R-78")
def test_every_missing_flag_is_named_without_a_terminal(shell: Shell) -> None:
    nothing, label, whose = (
        shell.control("domain", "set"),
        shell.control("domain", "set", "--label", "a", "--customer_id", "x"),
        shell.control("domain", "get"),
    )

    for ran in (nothing, label, whose):
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "--customer_id is required" in nothing.err
    assert "--label is required" in nothing.err
    assert ("--customer_id must be" in label.err, "--label must be" in label.err) == (True, True)
    assert "--customer_id is required" in whose.err
    nil = "00000000-0000-0000-0000-000000000000"
    assert shell.control("domain", "get", "--customer_id", nil).code == 2


@pytest.mark.contract("registrar R-76")
def test_hyphens_do_for_underscores_and_keys_json_names_the_customer(shell: Shell) -> None:
    kept = {"url": "http://x", "customer_id": shell.customer, "customer_key": "rb_1", "operator_key": "rb_2"}
    (shell.home / "keys.json").write_text(json.dumps(kept))

    own = shell.control("domain", "set", "--label", "acme", "--format", "json")
    other = shell.control("domain", "set", "--customer-id", str(uuid4()), "--label", "other", "--format", "json")

    assert (own.json["customer_id"], other.json["domain_label"]) == (shell.customer, "other")
    assert shell.control("domain", "get", "--format", "json").json["domain_label"] == "acme"


@pytest.mark.contract("registrar R-53")
def test_the_base_that_the_first_label_was_set_with_stays(shell: Shell) -> None:
    made = set_label(shell, "acme", "--domain_name_extension", "reg.example.com", "--format", "json")

    other = shell.control("extension", "create", "--customer_id", shell.customer, "--extension_number", "1001")

    assert made.json["realm"] == "acme.reg.example.com"
    assert (other.code, "domain_name_extension" in other.err) == (2, True)


def test_a_deleted_customer_gets_no_label(shell: Shell) -> None:
    shell.control("customer", "delete", "--customer_id", shell.customer, "--force")

    assert set_label(shell, "acme").code == 4
    assert get(shell).code == 3


@pytest.mark.process
@pytest.mark.contract("registrar R-78")
@pytest.mark.parametrize(("said", "code"), [("n", 1), ("y", 0)])
def test_on_a_terminal_what_is_missing_is_asked_for_and_so_is_a_yes(shell: Shell, said: str, code: int) -> None:
    shell.create("1001")
    talk = Talk("domain", "set", "--reissue", "--ringback_home", str(shell.home))
    talk.until("Customer id")
    talk.type(shell.customer)
    talk.until("Label")
    talk.type("acme")
    talk.until("1 phones another domain and new passwords?")
    talk.type(said)

    assert talk.end() == code
    label = get(shell, "--format", "json").json["domain_label"]
    assert label == ("acme" if code == 0 else shell.customer)
