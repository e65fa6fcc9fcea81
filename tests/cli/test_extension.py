"""`registrar-control extension …` as an operator types it."""

import time
from hashlib import md5
from uuid import uuid4

import msgspec
import pytest

from tests.cli.conftest import Shell

pytestmark = pytest.mark.long

KEYS = [
    "id", "customer_id", "name", "detail", "endpoint_id", "aor_id", "auth_id", "extension", "domain_name", "realm",
    "username", "password", "direct_id", "direct_hash", "tm_create", "tm_update", "tm_delete",
]  # fmt: skip


@pytest.mark.contract("registrar R-76, R-77")
def test_a_username_of_its_own_is_in_the_object_and_in_both_tables(shell: Shell) -> None:
    made = shell.create("1001", "--username", "user1001")

    assert (made["extension"], made["username"]) == ("1001", "user1001")
    assert shell.sql("SELECT username FROM ps_auths") == [{"username": "user1001"}]
    assert shell.sql("SELECT username FROM registrar_sip_auths") == [{"username": "user1001"}]


def test_a_username_alone_is_the_number_too(shell: Shell) -> None:
    ran = shell.control("extension", "create", "--customer_id", shell.customer, "--username", "u77", "--format", "json")

    assert (ran.json["extension"], ran.json["username"]) == ("u77", "u77")


@pytest.mark.contract("registrar R-78")
def test_json_is_one_rpc_object_and_nothing_else(shell: Shell) -> None:
    made = shell.create("1001", "--name", "Front desk", "--detail", "x", "--direct")

    assert list(made) == KEYS
    assert (made["name"], made["detail"], len(made["direct_hash"])) == ("Front desk", "x", 12)


@pytest.mark.parametrize("text", ["on", "2026-01-05", "1e3", "~", "- x: y", "Zoë: \U0001f4de", "#", ""])
def test_yaml_says_what_json_says(shell: Shell, text: str) -> None:
    made = shell.create("1001", "--name", text)
    words = ("extension", "list", "--customer_id", shell.customer)

    ran = shell.control("--output", "yaml", *words)

    assert msgspec.yaml.decode(ran.out) == shell.control(*words, "--output=json").json
    assert [one["name"] for one in msgspec.yaml.decode(ran.out)] == [text] == [made["name"]]
    assert ran.out.startswith("- id: ")


@pytest.mark.contract("registrar R-21")
def test_a_password_is_shown_by_the_create_that_made_it_and_by_nothing_later(shell: Shell) -> None:
    words = ("extension", "create", "--customer_id", shell.customer, "--extension_number", "1001")
    password = shell.control(*words).out.split("password: ")[1].split()[0]
    realm = f"{shell.customer}.registrar.localhost"
    (row,) = shell.sql("SELECT id, ha1 FROM registrar_extensions")

    assert len(password) >= 20
    assert row["ha1"] == md5(f"1001:{realm}:{password}".encode()).hexdigest()
    listed = shell.control("extension", "list", "--customer_id", shell.customer, "--format", "json")
    assert [item["password"] for item in listed.json] == [""]
    assert password not in shell.control("extension", "list", "--customer_id", shell.customer).out


@pytest.mark.contract("registrar R-76")
def test_hyphens_do_for_underscores(shell: Shell) -> None:
    ran = shell.control(
        "extension", "create", "--customer-id", shell.customer, "--extension-number", "1002", "--format", "json"
    )

    assert (ran.code, ran.json["extension"]) == (0, "1002")


@pytest.mark.contract("registrar R-76")
def test_settings_and_format_may_stand_before_the_command(shell: Shell) -> None:
    ran = shell.control(
        "--format=json", "--domain_name_extension", "reg.example.com",
        "extension", "create", "--customer_id", shell.customer, "--extension_number", "1003",
    )  # fmt: skip

    assert ran.json["realm"] == f"{shell.customer}.reg.example.com"


@pytest.mark.contract("registrar R-78")
def test_what_is_missing_without_a_terminal_is_a_usage_error(shell: Shell) -> None:
    for words in (("create",), ("get",), ("list",), ("update",), ("delete",)):
        ran = shell.control("extension", *words)
        assert (ran.code, ran.out) == (2, ""), ran
        assert ran.err.count("\n") == 1, ran.err


def test_every_faulty_flag_is_named_by_its_flag(shell: Shell) -> None:
    ran = shell.control(
        "extension", "create", "--customer_id", "nobody", "--extension_number", "10 01", "--password", "short"
    )

    assert ran.code == 2
    assert all(flag in ran.err for flag in ("--customer_id", "--extension_number", "--password"))
    assert "short" not in ran.err
    assert shell.sql("SELECT * FROM registrar_extensions") == []


@pytest.mark.contract("registrar R-23")
def test_an_empty_password_is_refused(shell: Shell) -> None:
    made = shell.create()

    ran = shell.control("extension", "update", "--id", made["id"], "--password", "")

    assert (ran.code, "--password" in ran.err) == (2, True)


@pytest.mark.contract("registrar R-76")
def test_the_exit_code_tells_not_found_from_conflict(shell: Shell) -> None:
    shell.create("1001")

    taken = shell.control("extension", "create", "--customer_id", shell.customer, "--extension_number", "1001")
    unknown = shell.control("extension", "get", "--id", str(uuid4()))

    assert (taken.code, unknown.code) == (4, 3)
    assert (taken.out, unknown.out) == ("", "")


@pytest.mark.contract("registrar R-79")
def test_get_shows_whether_the_phone_is_registered_and_where(shell: Shell) -> None:
    made = shell.create("1001")
    absent = shell.control("extension", "get", "--id", made["id"])
    absent_json = shell.control("extension", "get", "--id", made["id"], "--format", "json").json
    shell.sql(
        "INSERT INTO ps_contacts (id, endpoint, uri, expiration_time, user_agent) VALUES (?, ?, ?, ?, ?)",
        "x;@1", made["endpoint_id"], "sip:1001@192.0.2.4:5062^3Btransport=tcp", int(time.time()) + 600, "Phone/2.1",
    )  # fmt: skip

    here = shell.control("extension", "get", "--id", made["id"])
    here_json = shell.control("extension", "get", "--id", made["id"], "--format", "json").json

    assert "not registered" in absent.out
    assert (absent_json["registered"], absent_json["contacts"]) == (False, [])
    assert "not registered" not in here.out
    assert "sip:1001@192.0.2.4:5062;transport=tcp" in here.out
    assert (here_json["registered"], here_json["contacts"][0]["user_agent"]) == (True, "Phone/2.1")
    assert here_json["as_of"].endswith("Z")
    assert list(here_json)[: len(KEYS)] == KEYS


@pytest.mark.contract("registrar R-76")
def test_a_list_is_filtered_and_paged(shell: Shell) -> None:
    for number in ("1001", "1002", "1003"):
        shell.create(number)
    of = ("extension", "list", "--customer_id", shell.customer, "--format", "json")

    first = shell.control(*of, "--limit", "2")
    token = first.err.split("--token ")[1].strip()
    second = shell.control(*of, "--limit", "2", "--token", token)
    one = shell.control(*of, "--extension_number", "1002", "--username", "1002", "--domain", shell.customer)

    assert [item["extension"] for item in first.json + second.json] == ["1003", "1002", "1001"]
    assert second.err == ""
    assert [item["extension"] for item in one.json] == ["1002"]
    assert shell.control(*of, "--limit", "0").code == 2
    assert shell.control(*of, "--token", "nonsense").code == 2


def test_update_changes_what_is_named_and_shows_a_new_password_once(shell: Shell) -> None:
    made = shell.create("1001", "--name", "old", "--detail", "kept")

    renamed = shell.control("extension", "update", "--id", made["id"], "--name", "new", "--format", "json").json
    rotated = shell.control("extension", "update", "--id", made["id"], "--generate_password", "--format", "json").json

    assert (renamed["name"], renamed["detail"], renamed["password"]) == ("new", "kept", "")
    assert len(rotated["password"]) >= 20


@pytest.mark.contract("registrar R-78")
def test_delete_asks_and_force_does_not(shell: Shell) -> None:
    made = shell.create("1001")

    unasked = shell.control("extension", "delete", "--id", made["id"])
    forced = shell.control("extension", "delete", "--id", made["id"], "--force", "--format", "json")

    assert (unasked.code, "--force" in unasked.err) == (2, True)
    assert forced.code == 0
    assert forced.json["tm_delete"] is not None
    assert shell.control("extension", "delete", "--id", made["id"], "--force").code == 3


@pytest.mark.contract("registrar R-76")
def test_a_direct_address_is_enabled_regenerated_and_disabled(shell: Shell) -> None:
    id = shell.create("1001")["id"]

    early = shell.control("direct", "regenerate", "--id", id)
    on = shell.control("direct", "enable", "--id", id, "--format", "json").json["direct_hash"]
    new = shell.control("direct", "regenerate", "--id", id)
    off = shell.control("direct", "disable", "--id", id, "--format", "json").json["direct_hash"]

    assert early.code == 4
    assert len(on) == 12
    assert "sip:direct." in new.out
    assert on not in new.out
    assert off == ""


@pytest.mark.contract("registrar R-76")
def test_environment_variables_never_fill_a_flag(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USERNAME", "PASSWORD", "ID", "NAME", "CUSTOMER_ID"):
        monkeypatch.setenv(name, "Sample-Pass-0009")

    made = shell.create("1001")

    assert (made["username"], made["name"]) == ("1001", "")
    assert made["password"] != "Sample-Pass-0009"
    assert shell.control("extension", "get").code == 2


def test_words_of_customers_and_phones_are_shown_as_they_are(shell: Shell) -> None:
    made = shell.create("1001", "--name", "[/bold] [red]x")
    shell.sql(
        "INSERT INTO ps_contacts (id, endpoint, uri, expiration_time, user_agent) VALUES (?, ?, ?, ?, ?)",
        "x;@1", made["endpoint_id"], "sip:x@192.0.2.4", int(time.time()) + 600, "Evil\x1b]0;pwned\x1b[31m[/x]",
    )  # fmt: skip

    shown = shell.control("extension", "get", "--id", made["id"])
    again = shell.control(
        "extension", "create", "--customer_id", shell.customer, "--extension_number", "2", "--name", "[/x]"
    )

    assert (shown.code, again.code) == (0, 0)
    assert "[/bold] [red]x" in shown.out
    assert "\x1b" not in shown.out
    assert "[/x]" in shown.out
    assert "password: " in again.out


def test_every_missing_flag_is_named(shell: Shell) -> None:
    ran = shell.control("extension", "create")

    assert "--customer_id" in ran.err
    assert "--extension_number" in ran.err


def test_every_faulty_flag_of_a_list_is_named_once(shell: Shell) -> None:
    ran = shell.control("extension", "list", "--customer_id", "bad", "--limit", "0")

    assert (ran.code, ran.err.count("--customer_id"), ran.err.count("--limit")) == (2, 1, 1)


def test_a_password_is_not_asked_for_without_a_terminal(shell: Shell) -> None:
    id = shell.create()["id"]

    ran = shell.control("extension", "update", "--id", id, "--password", "-")

    assert (ran.code, "terminal" in ran.err) == (2, True)


def test_a_command_line_that_is_no_utf_8_is_one_line(shell: Shell) -> None:
    ran = shell.control(
        "extension", "create", "--customer_id", shell.customer, "--extension_number", "1", "--name", "\udcff"
    )

    assert (ran.code, ran.out, ran.err) == (2, "", "registrar-control: the command line must be UTF-8\n")


def test_an_empty_list_says_so(shell: Shell) -> None:
    assert shell.control("extension", "list", "--customer_id", shell.customer).out == "Extensions: none\n"


def test_a_phone_is_unregistered_and_its_history_tells(shell: Shell) -> None:
    made = shell.create("1001")
    empty = shell.control("extension", "history", "--id", made["id"])
    expires = int(time.time()) + 600
    for port in (5061, 5062):
        columns = "id, uri, endpoint, expiration_time, via_addr, via_port, user_agent, reg_server, call_id"
        values = (
            f"1001;@{port}",
            "sip:1001@192.0.2.44",
            made["endpoint_id"],
            expires,
            "192.0.2.44",
            port,
            "P/1",
            "a",
            "c",
        )
        shell.sql(f"INSERT INTO ps_contacts ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *values)

    gone = shell.control("extension", "unregister", "--id", made["id"], "--format=json").json
    again = shell.control("extension", "unregister", "--id", made["id"], "--contact_id", gone[0]["id"])
    history = shell.control("extension", "history", "--id", made["id"], "--limit=3", "--format=json").json
    table = shell.control("extension", "history", "--id", made["id"]).out

    assert "last seen never; 0 changes of address, 0 flaps in the last hour" in empty.out
    assert len(gone) == 2
    assert again.code == 3
    assert shell.sql("SELECT * FROM ps_contacts") == []
    assert [(entry["event"], entry["cause"]) for entry in history["result"]] == [
        ("unregistered", "api"), ("unregistered", "api"), ("registered", "")
    ]  # fmt: skip
    assert history["next_page_token"]
    assert "unregistered" in table


def test_an_asterisk_that_cannot_be_told_of_a_change_is_named_and_the_change_stays(shell: Shell) -> None:
    made = shell.create("1001")
    words = ("extension", "update", "--id", made["id"], "--password", "Another-Pass-0002", "--format=json")

    ran = shell.control(*words, "--asterisk_ami=ami://ringback:Sample-Pass-0001@127.0.0.1:9")

    assert (ran.code, ran.json["id"]) == (0, made["id"])
    assert "127.0.0.1:9 may remember phones as they were" in ran.err
    assert "Sample-Pass" not in ran.err
