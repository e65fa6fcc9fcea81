"""`ringback …` as an operator types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import URL

from ringback.knobs import knobs
from ringback.migrations import commands
from tests.cli.conftest import Shell

REVISIONS = [revision for revision, _ in commands.history("bin", URL.create("sqlite"))]

RINGBACK = [sys.executable, "-c", "from ringback.start import ringback; ringback()"]


def test_rpc_prints_the_reply_envelope_and_exits_by_its_status(shell: Shell) -> None:
    asked = json.dumps({"customer_id": shell.customer, "extension": "1001"})
    made = shell.ringback("rpc", "post", "/v1/extensions", "--data", asked)
    again = shell.ringback("rpc", "POST", "/v1/extensions", "--data", asked)
    nowhere = shell.ringback("rpc", "GET", "/v1/nowhere")
    refreshed = shell.ringback("rpc", "PUT", "/v1/contacts", "--data", asked)

    assert (made.code, made.json["data"]["extension"]) == (0, "1001")
    assert (again.code, again.json["data"]["reason"]) == (4, "EXTENSION_ALREADY_EXISTS")
    assert (nowhere.code, nowhere.json["data"]["reason"]) == (3, "ROUTE_NOT_FOUND")
    assert refreshed.json == {"status_code": 200, "data_type": ""}


def test_rpc_refuses_data_that_is_no_json(shell: Shell) -> None:
    ran = shell.ringback("rpc", "GET", "/v1/extensions", "--data", "{")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("ringback: --data is not JSON")


def test_events_tells_what_happened(shell: Shell) -> None:
    shell.create("1001", "--direct")

    people = shell.ringback("events").out.splitlines()
    programs = [json.loads(line) for line in shell.ringback("events", "--format", "json").out.splitlines()]

    assert [line.split()[1] for line in people] == ["extension_created", "extension_direct_created"]
    assert list(programs[0]) == ["message_id", "type", "publisher", "data_type", "data"]
    assert programs[0]["publisher"] == "registrar-manager"


@pytest.mark.process
def test_events_follow_what_other_processes_do(shell: Shell) -> None:
    shell.create("1001")
    words = [*RINGBACK, "events", "--follow", "--format", "json", "--ringback_home", str(shell.home)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "following" in process.stderr.readline()
        shell.create("1002")
        seen = json.loads(process.stdout.readline())
        process.terminate()

    assert (seen["type"], seen["data"]["extension"]) == ("extension_created", "1002")


@pytest.mark.long
def test_db_makes_shows_and_takes_back_a_schema(tmp_path: Path, shell: Shell) -> None:
    fresh = Shell(tmp_path / "fresh", shell.customer, shell.capture)

    none_yet = fresh.control("extension", "list", "--customer_id", fresh.customer)
    made = fresh.ringback("db", "upgrade")
    now = fresh.ringback("db", "current")
    back = fresh.ringback("db", "downgrade", "base", "--database", "bin")
    old = fresh.control("extension", "list", "--customer_id", fresh.customer)

    assert none_yet.code == 2
    assert "ringback db upgrade" in none_yet.err
    assert made.out.splitlines() == [
        f"bin: {REVISIONS[-1]}",
        "asterisk: ps_endpoints_add_column_webrtc",
        "router: ringback_screens_create_view",
    ]
    assert now.out.count("up to date") == 3
    assert back.out.splitlines() == ["bin: empty"]
    assert (old.code, "ringback db upgrade" in old.err) == (2, True)


def test_db_shows_its_history_and_its_sql(shell: Shell) -> None:
    assert "bin: registrar_extensions_create_table: SIP extensions." in shell.ringback("db", "history").out
    printed = shell.ringback("db", "upgrade", "--sql", "--database", "bin").out
    assert "CREATE TABLE registrar_direct_hashes" in printed
    assert "ps_endpoints" not in printed
    assert shell.ringback("db", "current", "--database", "nonsense").code == 2
    assert shell.ringback("db", "upgrade", "nonsense").code == 2


def test_help_lists_every_setting_with_flag_variable_default_and_meaning(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    for command in (("up",), ("registrar-control", "extension", "list")):
        ran = shell.ringback(*command, "--help")
        assert ran.code == 0
        shown = ran.out
        for knob in knobs():
            assert f"{knob.flag} " in shown
            assert f"{knob.meaning} ({knob.variable}; default: {knob.default or 'none'})" in shown


@pytest.mark.contract("registrar R-81")
def test_what_cannot_start_is_one_line_and_exit_code_2(shell: Shell) -> None:
    for words in (
        ("up", "--rest_listen_address", "nowhere"),
        ("up", "--database_dsn_bin", "mysql://u:Sample-Pass-0001@h/db"),
        ("up", "--config", "missing.toml"),
        ("up", "--domain_name_extension", "bad domain"),
    ):
        ran = shell.ringback(*words)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), ran
        assert "Sample-Pass" not in ran.err
    assert shell.ringback("up", "--nonsense", "1").code == 2


def test_a_damaged_database_is_one_line(shell: Shell) -> None:
    (shell.home / "ringback.db").write_bytes(os.urandom(4096))

    for ran in (shell.control("extension", "list"), shell.ringback("events"), shell.ringback("db", "current")):
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.count("\n") == 1
        assert "cannot be used" in ran.err or "is required" in ran.err


def test_a_step_back_is_minus_one(shell: Shell) -> None:
    ran = shell.ringback("db", "downgrade", "-1", "--database", "bin")

    assert (ran.code, ran.out.strip()) == (0, f"bin: {REVISIONS[-2]}")


def test_looking_at_a_database_that_is_not_there_makes_none(shell: Shell) -> None:
    (shell.home / "ringback.db").unlink()

    assert "empty" in shell.ringback("db", "current").out
    assert not (shell.home / "ringback.db").exists()


def test_events_that_were_given_up_are_shown(shell: Shell) -> None:
    none = shell.ringback("events", "--dead")
    told = shell.ringback("tell", "customer_deleted", "--data", '{"name": "nobody"}')
    shown = shell.ringback("events", "--dead", "--format", "json")

    assert (none.code, "none" in none.out) == (0, True)
    assert (told.code, told.json) == (1, {"done": False})
    (event,) = shown.json
    assert (event["publisher"], event["event_type"]) == ("customer-manager", "customer_deleted")
    assert json.loads(event["payload"]) == {"name": "nobody"}
    assert "customer_deleted" in shell.ringback("events", "--dead").out
