"""`ringback up`: the first start, the second one, the end; what stops it before it began."""

import asyncio
import json
import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from ringback import first_start, server
from ringback.kit.errors import CannotStart, DatabaseUnavailable
from ringback.knobs import load
from ringback.settings import Settings
from ringback.transports import local
from tests.cli.conftest import Shell
from tests.patience import ENOUGH

pytestmark = pytest.mark.process

FREE = {"rest_listen_address": "127.0.0.1:0", "prometheus_listen_address": "127.0.0.1:0"}
RINGBACK = [sys.executable, "-c", "from ringback.start import ringback; ringback()"]
WORDS = ["up", "--rest_listen_address", "127.0.0.1:0", "--prometheus_listen_address", "127.0.0.1:0"]


def settings(home: Path, **more: Any) -> Settings:
    return load({"ringback_home": home, **FREE, **more})


@pytest.fixture
def tmp_path(tmp_path: Path, template: Path) -> Path:
    """A home with an empty schema, since making one takes longer than all the rest."""
    shutil.copy(template, tmp_path / "ringback.db")
    return tmp_path


@contextmanager
def up(home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A real server process, and all it said until it was ready."""
    words = [*RINGBACK, *WORDS, "--ringback_home", str(home)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        try:
            while "Ctrl-C stops it." not in said:
                line = process.stdout.readline()
                assert line, process.stderr and process.stderr.read()
                said += line
            yield process, said
        finally:
            process.kill()


async def create(keys: first_start.Keys, number: str) -> httpx.Response:
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {keys.customer_key}"}, timeout=ENOUGH) as client:
        return await client.post(f"{keys.url}/v1.0/extensions", json={"extension": number})


async def test_the_first_start_makes_a_customer_and_keys_that_work(tmp_path: Path) -> None:
    async with server.running(settings(tmp_path)) as started:
        keys = started.keys
        assert keys is not None
        assert started.first
        assert json.loads((tmp_path / "keys.json").read_bytes()) == {
            "url": started.url,
            "customer_id": str(keys.customer_id),
            "customer_key": keys.customer_key,
            "operator_key": keys.operator_key,
        }
        made = await create(keys, "1001")
        async with httpx.AsyncClient(
            headers={"authorization": f"Bearer {keys.operator_key}"}, timeout=ENOUGH
        ) as client:
            named = await client.get(f"{keys.url}/v1.0/extensions", params={"customer_id": str(keys.customer_id)})

    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    assert (made.status_code, made.json()["realm"]) == (201, "demo.registrar.localhost")
    assert [item["extension"] for item in named.json()["result"]] == ["1001"]


async def test_a_second_start_keeps_everything(tmp_path: Path) -> None:
    async with server.running(settings(tmp_path)) as first:
        assert first.keys is not None
        await create(first.keys, "1001")
    async with server.running(settings(tmp_path)) as second:
        assert second.keys is not None
        again = await create(second.keys, "1001")

    assert (second.first, second.keys.customer_key) == (False, first.keys.customer_key)
    assert again.status_code == 409


async def test_a_first_start_that_died_between_file_and_rows_is_mended(tmp_path: Path) -> None:
    async with server.running(settings(tmp_path)):
        pass
    with sqlite3.connect(tmp_path / "ringback.db") as file:
        file.execute("DELETE FROM registrar_accesskeys")
        file.execute("DELETE FROM registrar_customer_domains")

    async with server.running(settings(tmp_path)) as started:
        assert started.keys is not None
        made = await create(started.keys, "1001")

    assert (made.status_code, made.json()["domain_name"]) == (201, "demo")


async def test_a_label_that_somebody_has_already_stops_no_first_start(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ringback.db") as file:
        taken = (uuid4().bytes, "demo", "demo.registrar.localhost")
        file.execute(
            "INSERT INTO registrar_customer_domains (customer_id, domain_label, realm) VALUES (?, ?, ?)", taken
        )

    async with server.running(settings(tmp_path)) as started:
        assert started.keys is not None
        made = await create(started.keys, "1001")

    assert (made.status_code, made.json()["domain_name"]) == (201, str(started.keys.customer_id))


async def test_keys_that_the_operator_took_away_are_not_made_again(tmp_path: Path) -> None:
    async with server.running(settings(tmp_path)) as started:
        kept = started.keys
    (tmp_path / "keys.json").unlink()

    async with server.running(settings(tmp_path)) as started:
        assert started.keys is None
        assert kept is not None
        made = await create(first_start.Keys(started.url, kept.customer_id, kept.customer_key, ""), "1001")

    assert made.status_code == 201


@pytest.mark.contract("registrar R-81")
async def test_metrics_and_health_have_a_port_of_their_own(tmp_path: Path) -> None:
    async with server.running(settings(tmp_path)) as started, httpx.AsyncClient(timeout=ENOUGH) as client:
        pages = {path: await client.get(started.metrics_url + path) for path in ("/metrics", "/health", "/ready")}
        nothing = await client.get(started.metrics_url + "/v1.0/extensions")

    assert {path: page.status_code for path, page in pages.items()} == {"/metrics": 200, "/health": 200, "/ready": 200}
    assert "registrar_manager_extension_create_total 0.0" in pages["/metrics"].text
    assert nothing.status_code == 404


async def test_server_and_socket_answer_rpc_alike(tmp_path: Path) -> None:
    async with server.running(settings(tmp_path)):
        sent = b'{"uri":"/v1/nowhere","method":"GET"}'
        reply = await local.ask(tmp_path / server.SOCKET, sent)
        mode = stat.S_IMODE((tmp_path / server.SOCKET).stat().st_mode)
    assert reply is not None
    assert json.loads(reply)["data"]["reason"] == "ROUTE_NOT_FOUND"
    assert mode == 0o600
    assert await local.ask(tmp_path / server.SOCKET, sent) is None


def test_a_process_prints_its_keys_once_and_ends_cleanly(tmp_path: Path) -> None:
    for first in (True, False):
        with up(tmp_path) as (process, said):
            assert ("rb_" in said) == first, said
            assert (".venv/bin/registrar-control" in said and "make demo" in said and "curl" in said) == first
            process.send_signal(signal.SIGTERM)
            _, logged = process.communicate(timeout=ENOUGH)
            assert process.returncode == 0
            assert [json.loads(line)["message"] for line in logged.splitlines()] == ["started", "stopping"]
            assert "rb_" not in logged


def test_the_server_sees_what_the_command_line_wrote_and_the_other_way_round(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with up(tmp_path):
        kept = first_start.read(tmp_path)
        assert kept is not None
        made = asyncio.run(create(kept, "1001"))
        shell = Shell(tmp_path, str(kept.customer_id), capsys)
        assert shell.control("extension", "delete", "--id", made.json()["id"], "--force").code == 0
        gone = httpx.get(
            f"{kept.url}/v1.0/extensions/{made.json()['id']}", headers={"authorization": f"Bearer {kept.customer_key}"}
        )

    assert gone.status_code == 404


@pytest.mark.contract("registrar R-81")
async def test_what_stops_a_start_is_one_line_that_names_it(tmp_path: Path) -> None:
    damaged, busy = tmp_path / "damaged", tmp_path / "busy"
    damaged.mkdir()
    (damaged / "ringback.db").write_bytes(os.urandom(4096))
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "keys.json").write_text("{")
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        reasons = {
            "is not a database": settings(damaged),
            "rest_listen_address: " + address: settings(busy, rest_listen_address=address),
            "prometheus_listen_address: " + address: settings(busy, prometheus_listen_address=address),
            "keys.json is damaged": settings(keys),
            "file cannot be used": settings(tmp_path / "file"),
        }
        for reason, given in reasons.items():
            with pytest.raises(CannotStart) as refused:
                async with server.running(given):
                    pass
            assert reason in str(refused.value)
            assert "\n" not in str(refused.value)


async def test_one_home_has_one_server(tmp_path: Path) -> None:
    async with server.running(settings(tmp_path)):
        with pytest.raises(CannotStart, match=f"process {os.getpid()}"):
            async with server.running(settings(tmp_path)):
                pass


async def test_a_database_with_the_other_secret_storage_is_refused(tmp_path: Path) -> None:
    async with server.running(settings(tmp_path)):
        pass
    with sqlite3.connect(tmp_path / "ringback.db") as file:
        file.execute("UPDATE registrar_meta SET value = 'plaintext' WHERE key = 'secret_storage'")

    with pytest.raises(CannotStart, match="secret_storage"):
        async with server.running(settings(tmp_path)):
            pass


async def test_the_database_is_its_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "ringback.db").unlink()
    async with server.running(settings(tmp_path)):
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("ringback.db*")}

    assert modes["ringback.db"] == 0o600
    assert modes["ringback.db-wal"] == 0o600


async def test_the_base_domain_stays_what_it_was(tmp_path: Path) -> None:
    async with server.running(settings(tmp_path)):
        pass

    with pytest.raises(CannotStart, match=r"domain_name_extension: .*registrar\.localhost"):
        async with server.running(settings(tmp_path, domain_name_extension="other.example.com")):
            pass


async def test_one_database_has_one_server(tmp_path: Path) -> None:
    dsns = dict.fromkeys(("database_dsn_bin", "database_dsn_asterisk"), f"sqlite:///{tmp_path / 'shared.db'}")
    async with server.running(settings(tmp_path / "a", **dsns)):
        with pytest.raises(CannotStart, match="running on this database"):
            async with server.running(settings(tmp_path / "b", **dsns)):
                pass


async def test_a_socket_that_takes_a_request_and_says_nothing_is_an_error(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    served = await asyncio.start_unix_server(hang_up, tmp_path / "rpc.sock")
    async with served:
        with pytest.raises(local.NoReply):
            await local.ask(tmp_path / "rpc.sock", b"{}")


async def test_a_reply_may_be_larger_than_a_request(tmp_path: Path) -> None:
    large = b"x" * (3 << 20)

    async def serve(envelope: bytes) -> bytes:
        return large

    async with local.serving(tmp_path / "rpc.sock", serve):
        answer = await local.ask(tmp_path / "rpc.sock", b"{}")

    assert answer is not None
    assert len(answer.strip()) == len(large)


async def test_a_deep_folder_can_hold_the_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)

    async def serve(envelope: bytes) -> bytes:
        return envelope.strip()

    async with local.serving(deep / "rpc.sock", serve):
        assert await local.ask(deep / "rpc.sock", b"{}") == b"{}\n"


async def test_what_cannot_be_a_lock_or_a_socket_is_one_line(tmp_path: Path) -> None:
    for name in ("lock", "rpc.sock"):
        home = tmp_path / name.replace(".", "_")
        (home / name).mkdir(parents=True)
        with pytest.raises(CannotStart, match=name):
            async with server.running(settings(home)):
                pass


async def test_the_registry_is_served_from_the_start_and_follows_commands_and_sql(tmp_path: Path) -> None:
    """What another process has written is seen by the next look, a whole load or not."""
    async with server.running(settings(tmp_path)) as started:
        keys = first_start.read(tmp_path)
        assert keys is not None
        root = f"{started.url}/v1.0/router"
        async with httpx.AsyncClient(
            headers={"authorization": f"Bearer {keys.operator_key}"}, timeout=ENOUGH
        ) as operator:
            first = (await operator.get(f"{root}/extensions")).json()["result"]
            words = [
                "--local",
                "extensions",
                "update",
                "pii_guard",
                "--timeout_ms",
                "90",
                "--ringback_home",
                str(tmp_path),
            ]
            await asyncio.to_thread(
                subprocess.run, [*RINGBACK, "router-control", *words], check=True, capture_output=True
            )
            async with asyncio.timeout(ENOUGH):
                while (await operator.get(f"{root}/extensions/pii_guard")).json()["timeout_ms"] != 90:
                    pass
            changed = await operator.patch(f"{root}/extensions/pii_guard", json={"timeout_ms": 95})
            proof = (await operator.post(f"{root}/audit:verify")).json()

    assert [one["id"] for one in first][:2] == ["mask_sensitive_data", "normalize_text"]
    assert (changed.json()["revision"], proof["ok"], proof["checked"]) == (3, True, 8)


async def test_a_database_that_goes_while_it_is_looked_at_ends_a_start_like_one_that_was_away() -> None:
    class Process(AbstractAsyncContextManager[None]):
        async def __aenter__(self) -> None:
            raise DatabaseUnavailable

        async def __aexit__(self, *error: object) -> None: ...

    with pytest.raises(CannotStart, match="database_dsn_bin: The database does not answer"):
        await server.until_told(Process(), lambda started: None)


LARGE: Final = {
    "fits": (b"a" * 30_000 + b"\r\n\r\n", b"200"),
    "never ends": (b"a" * 2_000_000, b"400"),
    "comes at once": (b"a" * 70_000 + b"\r\n\r\n", b"400"),
    "comes at once in small lines": (b"a\r\nb:" * 20_000 + b"\r\n\r\n", b"400"),
}


@pytest.mark.parametrize("how", LARGE)
async def test_a_head_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path, how: str) -> None:
    rest, status = LARGE[how]
    async with server.running(settings(tmp_path)) as started:
        at = urlsplit(started.url)
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        writer.write(b"GET /live HTTP/1.1\r\nhost: x\r\nx-large: " + rest)
        head = await reader.readuntil(b"\r\n")
        writer.close()

    assert head.split()[1] == status
