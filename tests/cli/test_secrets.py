"""How passwords are kept is one thing for one database: others are refused, and one way leads from clear to digests."""

import json
import signal
import subprocess
import sys
from hashlib import md5, sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.cli.conftest import Ran, Shell
from tests.patience import ENOUGH
from tests.test_server import up

MARKER = "Marker-Pass-4711"
PLAIN = ("--secret_storage", "plaintext")
UP = ("up", "--rest_listen_address", "127.0.0.1:0", "--prometheus_listen_address", "127.0.0.1:0")
GHOST = "ghost@x.registrar.localhost"


def furnish(shell: Shell, *words: str) -> tuple[str, str]:
    """An extension and a trunk that are kept so; their ids."""
    phone = shell.create("1001", "--password", MARKER, *words)
    trunk = shell.control(
        *("trunk", "create", "--customer_id", shell.customer, "--domain", "carrier-a", "--username", "pbx01"),
        *("--password", MARKER, "--format", "json", *words),
    )
    return phone["id"], trunk.json["id"]


def everything(shell: Shell) -> dict[str, Any]:
    tables = shell.sql("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {table["name"]: shell.sql(f"SELECT * FROM {table['name']}") for table in tables}


def line(ran: Ran) -> str:
    """The one line that a refusal is."""
    assert (ran.code, ran.out) == (2, ""), ran
    assert ran.err.count("\n") == 1, ran.err
    return ran.err


def holding(home: Path, text: str) -> list[str]:
    """The files of the home that hold these bytes."""
    return [path.name for path in home.iterdir() if path.is_file() and text.encode() in path.read_bytes()]


@pytest.mark.contract("registrar R-60, R-81")
def test_a_database_in_plaintext_is_refused_by_a_start_and_by_every_command_that_keeps_digests(shell: Shell) -> None:
    phone, trunk = furnish(shell, *PLAIN)
    of = ("--customer_id", shell.customer)
    before = everything(shell)
    commands = [
        ("extension", "create", *of, "--extension_number", "1002"), ("extension", "get", "--id", phone),
        ("direct", "enable", "--id", phone), ("trunk", "list", *of), ("trunk", "delete", "--id", trunk, "--force"),
        ("domain", "set", *of, "--label", "acme"), ("customer", "get", *of), ("customer", "delete", *of, "--force"),
        ("reconcile",),
    ]  # fmt: skip
    rpc = ("rpc", "GET", f"/v1/extensions/{phone}")
    tell = ("tell", "customer_deleted", "--data", json.dumps({"id": shell.customer}))

    refused = [shell.control(*words) for words in commands] + [shell.ringback(*words) for words in (rpc, tell, UP)]

    for ran in refused:
        assert "secret_storage=plaintext" in line(ran)
        assert "'registrar-control secrets migrate'" in ran.err
        assert MARKER not in ran.err
    assert everything(shell) == before
    assert shell.control("extension", "get", "--id", phone, *PLAIN).code == 0


@pytest.mark.contract("registrar R-60")
def test_a_database_of_digests_is_refused_by_all_that_keeps_plaintext(shell: Shell) -> None:
    phone, _ = furnish(shell)
    before = everything(shell)

    for ran in (
        shell.control("extension", "get", "--id", phone, *PLAIN),
        shell.control("extension", "update", "--id", phone, "--generate_password", *PLAIN),
        shell.ringback("rpc", "GET", f"/v1/extensions/{phone}", *PLAIN),
        shell.ringback(*UP, *PLAIN),
    ):
        assert "set secret_storage=digest" in line(ran)
    assert everything(shell) == before


@pytest.mark.contract("registrar R-59, R-81")
def test_passwords_cannot_be_read_where_there_are_none(shell: Shell) -> None:
    for ran in (
        shell.ringback(*UP, "--rpc_read_password", "true"),
        shell.control("extension", "list", "--customer_id", shell.customer, "--rpc_read_password", "true"),
    ):
        assert "rpc_read_password: " in line(ran)


def digests(username: str, realm: str) -> dict[str, str | None]:
    text = f"{username}:{realm}:{MARKER}".encode()
    return {"password": None, "ha1": md5(text).hexdigest(), "ha1_sha256": sha256(text).hexdigest()}


@pytest.mark.contract("registrar R-60, R-57")
@pytest.mark.long
def test_migrate_turns_every_clear_password_into_its_digests_and_leaves_it_in_no_file(shell: Shell) -> None:
    phone, trunk = furnish(shell, *PLAIN)
    gone = shell.create("1002", "--password", MARKER, *PLAIN)
    shell.control("extension", "delete", "--id", gone["id"], "--force", *PLAIN)
    realm = gone["realm"]
    blank = shell.create("1003", *PLAIN)["endpoint_id"]
    for table, key in (
        ("registrar_extensions", "username"),
        ("registrar_sip_auths", "username"),
        ("ps_auths", "username"),
    ):
        shell.sql(f"UPDATE {table} SET password = '' WHERE {key} = '1003'")
    addresses = ("--domain", "carrier-b", "--allowed_ips", "192.0.2.1")
    shell.control("trunk", "create", "--customer_id", shell.customer, *addresses, *PLAIN)
    for table in ("registrar_trunks", "registrar_sip_auths"):
        shell.sql(f"UPDATE {table} SET password = ? WHERE username = ''", MARKER)
    shell.sql("INSERT INTO ps_auths (id, password) VALUES (?, ?), ('pbx', 'Their-Pass-1')", GHOST, MARKER)
    shell.sql(
        "INSERT INTO registrar_sip_auths (id, reference_type, password) VALUES (?, 'trunk', ?)", uuid4().bytes, MARKER
    )
    before = everything(shell)
    assert holding(shell.home, MARKER) != []

    dry = shell.control("secrets", "migrate", "--dry-run")
    unasked = shell.control("secrets", "migrate")
    assert (dry.code, dry.out) == (0, "3 extensions and 2 trunks with a clear password would be turned into digests\n")
    assert (unasked.code, "--force" in unasked.err) == (2, True)
    assert everything(shell) == before

    done = shell.control("secrets", "migrate", "--force")

    assert (done.code, done.out[:30]) == (0, "5 passwords turned into digest")
    after = everything(shell)
    kept = {row["username"]: {name: row[name] for name in digests("", "")} for row in after["registrar_extensions"]}
    nothing = {"password": None, "ha1": None, "ha1_sha256": None}
    assert kept == {"1001": digests("1001", realm), "1002": digests("1002", realm), "1003": nothing}
    lines = {row["username"]: {name: row[name] for name in nothing} for row in after["registrar_trunks"]}
    assert lines == {"pbx01": digests("pbx01", "carrier-a.trunk.localhost"), "": nothing}
    edge = {row["username"]: {name: row[name] for name in nothing} for row in after["registrar_sip_auths"]}
    assert edge == {name: {**kept, **lines}.get(name, nothing) for name in ("1001", "1003", "pbx01", "", None)}
    auths = {row["id"]: (row["password"], row["md5_cred"]) for row in after["ps_auths"]}
    assert auths.pop("pbx") == ("Their-Pass-1", None)
    assert auths.pop(GHOST) == (None, None)
    assert auths == {f"1001@{realm}": (None, kept["1001"]["ha1"]), blank: (None, None)}
    assert md5(f"1003:{realm}:".encode()).hexdigest() not in repr(after)
    assert {row["key"]: row["value"] for row in after["registrar_meta"]}["secret_storage"] == "digest"
    assert holding(shell.home, MARKER) == []

    assert (
        shell.control("extension", "get", "--id", phone).code == shell.control("trunk", "get", "--id", trunk).code == 0
    )
    assert [row["state"] for row in shell.control("reconcile", "--format", "json").json] == ["waits", "waits"]
    again = shell.control("secrets", "migrate", "--force")
    assert (again.code, again.out[:11]) == (0, "0 passwords")
    assert "secret_storage=digest" in line(shell.control("extension", "get", "--id", phone, *PLAIN))


@pytest.mark.process
@pytest.mark.contract("registrar R-60")
def test_migrate_waits_for_the_end_of_the_server(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(shell, *PLAIN)
    before = everything(shell)["registrar_extensions"]
    monkeypatch.setenv("SECRET_STORAGE", "plaintext")
    with up(shell.home) as (process, _):
        for words in (("--force",), ("--dry_run",)):
            refusal = line(shell.control("secrets", "migrate", *words))
            assert f"Ringback is running on this database already (process {process.pid})" in refusal
        assert everything(shell)["registrar_extensions"] == before
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=ENOUGH)

    assert shell.control("secrets", "migrate", "--force").code == 0
    assert holding(shell.home, MARKER) == []
    assert "set secret_storage=digest" in line(shell.ringback(*UP))


KILLED = """
import asyncio, os, signal, sys
from itertools import count
from ringback.app import assemble
from ringback.databases import opened
from ringback.registrar import secrets
from ringback.knobs import load
step, numbers = int(sys.argv[2]), count()
def watch(statement):
    if next(numbers) == step:
        os.kill(os.getpid(), signal.SIGKILL)
async def migrate(settings):
    async with opened(settings, watch) as found:
        await secrets.migrate(assemble(settings, found).work)
asyncio.run(migrate(load({"ringback_home": sys.argv[1]})))
"""


@pytest.mark.process
@pytest.mark.contract("registrar R-60, R-63")
def test_migrate_that_was_killed_leaves_plaintext_mode_that_works_and_goes_on(shell: Shell) -> None:
    phone, trunk = furnish(shell, *PLAIN)
    for step in (3, 18, 9):
        words = [sys.executable, "-c", KILLED, str(shell.home), str(step)]
        assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
        assert "secrets migrate" in line(shell.control("extension", "get", "--id", phone))
        for noun, id in (("extension", phone), ("trunk", trunk)):
            assert shell.control(noun, "get", "--id", id, *PLAIN).code == 0
        assert shell.control("reconcile", "--format", "json", *PLAIN).json == []
    assert [row["password"] for row in shell.sql("SELECT password FROM registrar_extensions")] == [None]

    assert shell.control("secrets", "migrate", "--force").code == 0

    assert holding(shell.home, MARKER) == []
    assert shell.control("extension", "get", "--id", phone).code == 0
