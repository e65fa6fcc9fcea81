"""`ringback tell` and the socket that it speaks to: events of others, before there is a broker."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ringback import server
from ringback.transports import local
from tests.cli.conftest import Ran, Shell
from tests.test_server import settings

pytestmark = pytest.mark.long


def tell(shell: Shell, type: str, *more: str, data: Any = None) -> Ran:
    return shell.ringback("tell", type, "--data", json.dumps(data or {"id": shell.customer}), *more)


def status(shell: Shell) -> list[Any]:
    return [row["status"] for row in shell.sql("SELECT status FROM registrar_customers")]


@pytest.mark.contract("registrar R-68, R-67, R-76")
def test_what_is_told_is_done_by_the_command_itself_where_no_server_runs(shell: Shell) -> None:
    shell.create("1001")

    ran = [tell(shell, f"customer_{verb}") for verb in ("created", "frozen")]
    frozen = status(shell)
    ran += [
        tell(shell, f"customer_{verb}", data=json.dumps({"id": shell.customer})) for verb in ("recovered", "deleted")
    ]

    assert [(told.code, told.json, told.err) for told in ran[:3]] == [(0, {"done": True}, "")] * 3
    assert (ran[3].code, ran[3].json) == (0, {"done": True})
    assert (frozen, status(shell)) == (["frozen"], ["deleted"])
    assert shell.sql("SELECT * FROM ps_endpoints") == shell.sql("SELECT * FROM registrar_customer_domains") == []


@pytest.mark.parametrize(
    ("type", "more"), [("customer_renamed", ()), ("customer_frozen", ("--publisher", "agent-manager")), ("", ())]
)
def test_what_nobody_follows_is_a_usage_error(shell: Shell, type: str, more: tuple[str, ...]) -> None:
    ran = tell(shell, type, *more)

    assert (ran.code, ran.out, "nothing is done about" in ran.err) == (2, "", True)
    assert status(shell) == shell.sql("SELECT * FROM registrar_dead_events") == []


@pytest.mark.parametrize("data", [{"id": "nobody"}, {"name": "x"}, [1], 7, "x"])
def test_an_event_about_nobody_is_kept_and_not_done(shell: Shell, data: Any) -> None:
    ran = tell(shell, "customer_deleted", data=data)

    assert (ran.code, ran.json) == (1, {"done": False})
    assert shell.sql("SELECT publisher, event_type, error FROM registrar_dead_events") == [
        {"publisher": "customer-manager", "event_type": "customer_deleted", "error": "it names nobody"}
    ]


@pytest.mark.contract("registrar R-76")
@pytest.mark.parametrize("data", ["", "{", "id", "{'id': 1}", "[" * 100_000], ids=lambda data: data[:9])
def test_data_that_is_no_json_is_a_usage_error(shell: Shell, data: str) -> None:
    ran = shell.ringback("tell", "customer_frozen", "--data", data)

    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith("ringback: --data is not JSON")


def test_what_is_missing_is_a_usage_error(shell: Shell) -> None:
    for words in ((), ("customer_frozen",), ("--data", "{}")):
        ran = shell.ringback("tell", *words)
        assert (ran.code, ran.out) == (2, "")
    assert status(shell) == []


def test_a_database_that_keeps_clear_passwords_hears_nothing_in_the_other_mode(shell: Shell) -> None:
    shell.create("1001", "--secret_storage", "plaintext")

    ran = tell(shell, "customer_deleted")

    assert (ran.code, "secret_storage" in ran.err) == (2, True)
    assert status(shell) == ["active"]


@pytest.mark.contract("registrar R-53")
@pytest.mark.parametrize("door", ["tell", "rpc"])
def test_the_base_that_the_first_realm_was_made_with_stays(shell: Shell, door: str) -> None:
    base = ("--domain_name_extension", "reg.example.com")
    asked = json.dumps({"customer_id": shell.customer, "extension": "1001"})
    looked = shell.ringback("rpc", "GET", "/v1/extensions", "--data", asked, *base)
    recorded = shell.sql("SELECT * FROM registrar_meta")

    if door == "tell":
        tell(shell, "customer_created", *base)
    else:
        shell.ringback("rpc", "POST", "/v1/extensions", "--data", asked, *base)
    other = shell.control("extension", "create", "--customer_id", shell.customer, "--extension_number", "1002")

    assert (looked.code, recorded) == (0, [])
    assert (other.code, "domain_name_extension" in other.err) == (2, True)


@pytest.mark.contract("registrar R-68")
async def test_a_running_server_hears_events_on_a_socket_of_its_owners_alone(shell: Shell) -> None:
    def event(**more: Any) -> bytes:
        about = {"type": "customer_frozen", "publisher": "customer-manager", "data": {"id": shell.customer}}
        return json.dumps({**about, **more}, indent=1).encode()

    async with server.running(settings(shell.home)):
        socket: Path = shell.home / server.EVENTS
        mode = stat.S_IMODE(socket.stat().st_mode)
        answers = [await local.ask(socket, sent) for sent in (event(), event(type="other"), b"{")]
        heard = status(shell)

    assert mode == 0o600
    assert [json.loads(answer or b"") for answer in answers] == [{"done": True}, {"done": False}, {"done": False}]
    assert "frozen" in heard
    assert await local.ask(socket, event()) is None
