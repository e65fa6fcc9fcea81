"""`registrar-control extension diagnose`: one sentence for people, all that was looked at for programs."""

import time

import pytest

from tests.cli.conftest import QUIET, Shell, served

pytestmark = pytest.mark.long


def test_it_says_in_one_sentence_what_is_wrong_and_exits_with_1(shell: Shell) -> None:
    made = shell.create()
    shell.sql("DELETE FROM ps_auths")

    ran = shell.control("extension", "diagnose", "--id", made["id"])

    assert ran.code == 1
    assert ran.out.splitlines()[-1] == (
        "Asterisk does not know the phone: it has no row in ps_auths: repair the SIP tables with"
        " 'registrar-control reconcile' (a running Ringback does so by itself)."
    )
    assert "customer" not in ran.out
    whole = shell.control("extension", "diagnose", "--id", made["id"], "--all")
    assert "The customer is active" in whole.out


def test_programs_get_all_of_it_and_0_where_nothing_is_wrong(shell: Shell) -> None:
    made = shell.create()
    row = (made["endpoint_id"], made["endpoint_id"], int(time.time()) + 600)
    shell.sql(
        "INSERT INTO ps_contacts (id, endpoint, expiration_time, uri) VALUES (?, ?, ?, 'sip:1001@192.0.2.44')", *row
    )

    ran = shell.control("extension", "diagnose", "--id", made["id"], "--format", "json")

    assert (ran.code, ran.json["ok"], ran.json["extension_id"]) == (0, True, made["id"])
    assert {check["name"] for check in ran.json["checks"]} >= {"rows", "credentials", "contacts", "refusals"}


def test_an_extension_that_there_is_none_of_is_not_found(shell: Shell) -> None:
    ran = shell.control("extension", "diagnose", "--id", "b1d7c2aa-0f35-4c0e-8a66-5d0c9b7e4f21")

    assert (ran.code, ran.out) == (3, "")


def test_a_running_server_is_asked_since_it_hears_whom_asterisk_refuses(shell: Shell) -> None:
    made = shell.create()
    shell.sql("DELETE FROM ps_auths")
    words = ("extension", "diagnose", "--id", made["id"], "--format", "json", *QUIET)
    with served(shell.home, asterisk_ami="ami://x:Sample-Pass-0001@127.0.0.1:1"):
        ran = shell.control(*words)
    after = shell.control(*words)

    seen = [{check["name"]: check["state"] for check in one.json["checks"]}["asterisk"] for one in (ran, after)]
    assert (ran.code, seen) == (1, ["problem", "unknown"])
