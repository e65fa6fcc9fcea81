"""`registrar-control reconcile`: SIP rows that somebody edited by hand follow our own truth again."""

import json
import signal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.cli.conftest import Ran, Shell
from tests.patience import ENOUGH
from tests.test_server import up

pytestmark = pytest.mark.long

SIP = ("ps_aors", "ps_auths", "ps_endpoints", "registrar_sip_auths", "ps_contacts")
GHOST = "ghost@x.registrar.localhost"
FOREIGN = "1001@pbx.example.com"


def reconcile(shell: Shell, *words: str) -> Ran:
    return shell.control("reconcile", "--format", "json", *words)


def drifts(ran: Ran, code: int = 0) -> set[tuple[str, str, str, str]]:
    """(table, id, action, state) of all that a run printed."""
    assert ran.code == code, ran
    keys = {"table", "id", "action", "state", "customer_id", "object_id", "columns"}
    assert all(row.keys() == keys for row in ran.json)
    return {(row["table"], row["id"], row["action"], row["state"]) for row in ran.json}


def rows(shell: Shell) -> dict[str, list[dict[str, Any]]]:
    """The SIP rows, without the times at which they were written."""
    found = {table: shell.sql(f"SELECT * FROM {table} ORDER BY id") for table in SIP}
    return {
        table: [{name: value for name, value in row.items() if not name.startswith("tm_")} for row in those]
        for table, those in found.items()
    }


def files(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.glob("ringback.db*")}


def furnish(shell: Shell) -> tuple[dict[str, Any], dict[str, Any]]:
    """An extension and a trunk, with an operator's own values and rows of somebody else's beside them."""
    phone = shell.create("1001")
    trunk = shell.control(
        *("trunk", "create", "--customer_id", shell.customer, "--domain", "carrier-a", "--username", "pbx01"),
        *("--allowed_ips", "203.0.113.7", "--format", "json"),
    )
    shell.sql("UPDATE ps_endpoints SET allow = 'opus', callerid = 'x'")
    shell.sql("UPDATE ps_aors SET qualify_frequency = 30")
    for table in ("ps_aors", "ps_auths", "ps_endpoints"):
        shell.sql(f"INSERT INTO {table} (id) VALUES (?)", FOREIGN)
    shell.sql("INSERT INTO ps_contacts (id, endpoint, expiration_time) VALUES ('f', ?, 2000000000)", FOREIGN)
    shell.sql("INSERT INTO registrar_sip_auths (id, reference_type) VALUES (?, 'theirs')", uuid4().bytes)
    return phone, dict(trunk.json)


def spoil(shell: Shell, phone: dict[str, Any], trunk: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Edit the tables behind Ringback's back; (table, id, action) of what must be found."""
    ghost, lost = uuid4(), shell.create("1002")
    shell.sql("DELETE FROM ps_auths WHERE id = ?", phone["endpoint_id"])
    shell.sql("UPDATE ps_aors SET max_contacts = 'many', remove_existing = 'no' WHERE id = ?", phone["endpoint_id"])
    shell.sql("DELETE FROM ps_endpoints WHERE id = ?", lost["endpoint_id"])
    shell.sql("UPDATE registrar_sip_auths SET auth_types = 'ip, basic', tm_create = '?' WHERE username = '1001'")
    shell.sql("UPDATE registrar_sip_auths SET allowed_ips = '[\"0.0.0.0/0\"]' WHERE username = 'pbx01'")
    shell.sql("DELETE FROM registrar_sip_auths WHERE username = '1002'")
    for table in ("ps_aors", "ps_auths"):
        shell.sql(f"INSERT INTO {table} (id) VALUES (?)", GHOST)
    shell.sql("INSERT INTO registrar_sip_auths (id, reference_type) VALUES (?, 'trunk')", ghost.bytes)
    for id, endpoint in (("g", GHOST), ("l", lost["endpoint_id"]), ("p", phone["endpoint_id"])):
        shell.sql("INSERT INTO ps_contacts (id, endpoint, expiration_time) VALUES (?, ?, 2000000000)", id, endpoint)
    return {
        ("ps_auths", phone["endpoint_id"], "add"),
        ("ps_aors", phone["endpoint_id"], "correct"),
        ("ps_endpoints", lost["endpoint_id"], "add"),
        ("registrar_sip_auths", phone["id"], "correct"),
        ("registrar_sip_auths", trunk["id"], "correct"),
        ("registrar_sip_auths", lost["id"], "add"),
        ("ps_aors", GHOST, "remove"),
        ("ps_auths", GHOST, "remove"),
        ("registrar_sip_auths", str(ghost), "remove"),
        ("ps_contacts", GHOST, "remove"),
    }


@pytest.mark.contract("registrar R-64, R-76")
def test_all_that_was_edited_is_found_told_repaired_and_not_found_again(shell: Shell) -> None:
    phone, trunk = furnish(shell)
    sound = rows(shell)
    assert drifts(reconcile(shell)) == set()
    wrong = spoil(shell, phone, trunk)
    spoilt = files(shell.home)

    dry = drifts(reconcile(shell, "--dry_run", "--force"))
    assert dry == {(*drift, "would be done") for drift in wrong}
    waits = {(*drift, "waits" if drift[2] == "remove" else "would be done") for drift in wrong}
    assert drifts(reconcile(shell, "--dry-run")) == waits
    assert files(shell.home) == spoilt

    assert drifts(reconcile(shell, "--force")) == {(*drift, "done") for drift in wrong}

    mended = rows(shell)
    lost = [f"1002@{phone['realm']}"]
    for table in ("ps_aors", "ps_auths", "ps_endpoints"):
        assert [row for row in mended[table] if row["id"] not in lost] == sound[table], table
        assert [row["id"] for row in mended[table] if row["id"] in lost] == lost, table
    assert [row for row in mended["registrar_sip_auths"] if row["username"] != "1002"] == sound["registrar_sip_auths"]
    assert [row["id"] for row in mended["ps_contacts"]] == ["f", "l", "p"]
    assert drifts(reconcile(shell)) == drifts(reconcile(shell, "--force")) == set()
    assert rows(shell) == mended
    assert shell.sql("SELECT * FROM registrar_strays") == []


@pytest.mark.contract("registrar R-64")
def test_rows_of_nobody_wait_for_their_grace_unless_forced(shell: Shell) -> None:
    shell.create("1001")
    shell.sql("INSERT INTO ps_aors (id) VALUES (?)", GHOST)

    first = shell.control("reconcile")
    again = reconcile(shell)

    assert drifts(again) == {("ps_aors", GHOST, "remove", "waits")}
    assert ("waits" in first.out, "--force" in first.err, first.code) == (True, True, 0)
    shell.sql("UPDATE registrar_strays SET tm_create = '2026-01-01 00:00:00.000000'")
    assert drifts(reconcile(shell)) == {("ps_aors", GHOST, "remove", "done")}
    assert shell.control("reconcile").out == "SIP rows that differ: none\n"


@pytest.mark.contract("registrar R-64")
def test_a_row_that_cannot_be_read_keeps_no_other_table_from_repair_and_is_no_success(shell: Shell) -> None:
    shell.create("1001")
    (made,) = shell.sql("SELECT tm_create FROM registrar_extensions")
    shell.sql("UPDATE registrar_extensions SET tm_create = 'yesterday'")
    shell.sql("INSERT INTO ps_contacts (id, endpoint) VALUES ('1', 'ghost@x.registrar.localhost')")

    ran = reconcile(shell, "--force")

    assert drifts(ran, 1) == {("ps_contacts", "ghost@x.registrar.localhost", "remove", "done")}
    for table in ("ps_aors", "ps_auths", "ps_endpoints", "registrar_sip_auths"):
        assert f"{table} cannot be compared" in ran.err
    shell.sql("UPDATE registrar_extensions SET tm_create = ?", made["tm_create"])
    assert drifts(reconcile(shell)) == set()


def test_rows_of_the_edge_with_odd_ids_are_those_of_nobody_and_keep_no_other_from_repair(shell: Shell) -> None:
    phones = [shell.create(number) for number in ("1001", "1002")]
    shell.sql("DELETE FROM registrar_sip_auths WHERE username = '1002'")
    for id in ("x'00'", "x'ff'", "'ghost'", "'a string of 36 characters, no UUID ..'", "7"):
        shell.sql(
            "INSERT INTO registrar_sip_auths (id, reference_type, realm, username, auth_types, allowed_ips)"
            f" VALUES ({id}, 'trunk', 'x', {id}, '[]', '[]')"
        )

    first = drifts(reconcile(shell))
    forced = drifts(reconcile(shell, "--force"))

    odd = {"00", "ff", "ghost", "a string of 36 characters, no UUID ..", "7"}
    assert {(id, state) for _, id, action, state in first if action == "remove"} == {(id, "waits") for id in odd}
    assert {id for _, id, action, _ in first if action == "add"} == {phones[1]["id"]}
    assert {(id, state) for _, id, _, state in forced} == {(id, "done") for id in odd}
    assert [row["username"] for row in shell.sql("SELECT username FROM registrar_sip_auths ORDER BY 1")] == [
        "1001",
        "1002",
    ]
    assert drifts(reconcile(shell)) == set()


def test_a_deleted_customer_of_whom_something_is_left_goes_whole(shell: Shell) -> None:
    phone, trunk = furnish(shell)
    shell.sql("UPDATE registrar_customers SET status = 'deleted'")
    before = files(shell.home)

    dry = reconcile(shell, "--dry_run")
    assert (drifts(dry), dry.err) == (set(), "deleted customers of whom something is left: 1\n")
    assert files(shell.home) == before

    done = reconcile(shell)

    assert (done.code, done.json) == (0, [])
    left = rows(shell)
    assert [row["reference_type"] for row in left["registrar_sip_auths"]] == ["theirs"]
    assert [row["id"] for table in ("ps_aors", "ps_auths", "ps_endpoints") for row in left[table]] == [FOREIGN] * 3
    assert shell.sql("SELECT * FROM registrar_customer_domains") == []
    for id in (phone["id"], trunk["id"]):
        (news,) = shell.sql(
            "SELECT event_type FROM registrar_outbox WHERE object_id = ? ORDER BY id DESC LIMIT 1", UUID(id).bytes
        )
        assert news["event_type"].endswith("_deleted")


@pytest.mark.process
@pytest.mark.contract("registrar R-64")
def test_it_works_beside_a_running_server(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILE_INTERVAL", "86400")
    phone, trunk = furnish(shell)
    with up(shell.home) as (process, _):
        wrong = spoil(shell, phone, trunk)

        runs = [shell.control("reconcile", "--force", "--format", "json") for _ in range(2)]

        assert [run.code for run in runs] == [0, 0], runs
        first, second = [run.json for run in runs]
        assert {(row["table"], row["id"], row["action"]) for row in first} <= wrong  # the server may have been faster
        assert second == []
        assert {row["id"] for row in rows(shell)["ps_auths"]} == {
            phone["endpoint_id"],
            f"1002@{phone['realm']}",
            FOREIGN,
        }
        assert [row["endpoint"] for row in rows(shell)["ps_contacts"]] == [
            FOREIGN,
            f"1002@{phone['realm']}",
            phone["endpoint_id"],
        ]
        keys = json.loads((shell.home / "keys.json").read_bytes())
        answer = httpx.get(f"{keys['url']}/ready", timeout=ENOUGH)
        assert (answer.status_code, process.poll()) == (200, None)
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=ENOUGH)
    assert {json.loads(line)["severity"] for line in logged.splitlines()} == {"INFO"}


@pytest.mark.parametrize("rows", [1, 501])
def test_a_row_whose_id_is_no_text_is_told_as_failed_and_ends_no_pass_in_a_circle(shell: Shell, rows: int) -> None:
    """Bytes that are not UTF-8 are read as something else, so they cannot be asked for; the log names the table."""
    phone = shell.create("1001")
    shell.sql("DELETE FROM ps_aors")
    for number in range(rows):
        shell.sql(
            "INSERT INTO registrar_sip_auths (id, reference_type, username) VALUES (CAST(? AS TEXT), 'trunk', ?)",
            *(b"\xff%04d" % number, f"u{number}"),
        )

    ran = reconcile(shell, "--force")

    assert ran.code == 1
    found = {(drift["table"], drift["id"], drift["state"]) for drift in ran.json}
    assert ("ps_aors", phone["endpoint_id"], "done") in found
    assert ("registrar_sip_auths cannot be compared" in ran.err) == (rows > 500)
    assert ("failed" in {state for _, _, state in found}) == (rows == 1)
