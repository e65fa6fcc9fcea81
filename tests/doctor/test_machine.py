"""`ringback doctor` on the machine: every problem that it knows is made."""

import asyncio
import base64
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ringback.doctor.examination import examine
from ringback.doctor.given import read
from tests.certificates import certificate
from tests.cli.conftest import served
from tests.doctor.conftest import Installation


@pytest.mark.contract("registrar R-89")
async def test_with_nothing_wrong_all_is_ok_and_nothing_was_changed(installation: Installation) -> None:
    before = installation.file.read_bytes()

    assert await installation.wrong() == {}

    assert installation.file.read_bytes() == before
    assert [path.name for path in installation.home.iterdir()] == ["ringback.db"]


async def test_settings_that_cannot_be_used_are_told_and_nothing_else_is_looked_at() -> None:
    (check,) = await examine(read({"rest_listen_address": "x"}, None))

    assert (check.name, check.state) == ("settings", "problem")
    assert "rest_listen_address: must be host:port" in check.seen


async def test_each_setting_is_told_with_where_it_comes_from(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ringback.toml"
    file.write_text('redis_address = "127.0.0.1:1"\nlog_level = "error"\nrpc_prefetch = 7\n')
    monkeypatch.setenv("LOG_LEVEL", "warning")

    given = read({**dict.fromkeys(("rpc_prefetch",), "9"), "ringback_home": str(installation.home)}, file)

    assert given.sources == {
        "ringback_home": "flags",
        "rpc_prefetch": "flags",
        "redis_address": str(file),
        "log_level": "the environment",
    }
    assert given.settings
    assert (given.settings.rpc_prefetch, given.settings.log_level) == (9, "warning")
    assert "1 from the environment (log_level)" in given.told
    assert "all have their defaults" in read({}, None).told or read({}, None).sources


async def test_a_home_that_is_not_there_or_not_ours_or_everybodys(installation: Installation) -> None:
    installation.more["may_use"] = lambda folder: False
    assert "cannot be written to by this user: " in (await installation.wrong())["home"][1]

    installation.more = {"may_write": lambda file: file.name != "ringback.db"}
    assert "ringback.db cannot be written to by this user: " in (await installation.wrong())["home"][1]

    installation.more.clear()
    (installation.home / "keys.json").write_text("{}")
    (installation.home / "keys.json").chmod(0o604)
    assert "keys.json, which holds secrets: chmod o= " in (await installation.wrong())["home"][1]

    installation.file.chmod(0o644)
    assert "Everybody may read or write" in (await installation.wrong())["home"][1]

    installation.home.chmod(0o777)
    assert (await installation.wrong())["home"] == (
        "problem",
        f"Everybody may write to {installation.home}: chmod o-w {installation.home}.",
    )

    installation.settings["ringback_home"] = installation.home / "none"
    wrong = await installation.wrong()
    assert wrong["home"][1].startswith(f"There is no folder {installation.home / 'none'}: ")
    assert wrong["database"][0] == "problem"
    assert wrong["contents"][0] == "unknown"


@pytest.mark.parametrize(("free", "state"), [(100 << 20, "problem"), (500 << 20, "warning")])
async def test_a_full_disk(installation: Installation, free: int, state: str) -> None:
    installation.more["free"] = lambda folder: free

    assert (await installation.wrong())["disk"][0] == state


async def test_an_address_of_another_machine(installation: Installation) -> None:
    installation.settings["rest_listen_address"] = "192.0.2.1:8080"

    state, sentence = (await installation.wrong())["ports"]

    assert (state, "set rest_listen_address to an address of this machine" in sentence) == ("problem", True), sentence


async def test_a_port_that_a_stranger_has(installation: Installation) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{stranger.getsockname()[1]}"
        installation.settings["rest_listen_address"] = address

        state, sentence = (await installation.wrong())["ports"]

    assert state == "problem"
    assert sentence.startswith(f"{address} (rest_listen_address) cannot be used (address already in use), and no ")


@pytest.mark.long
def test_whether_a_ringback_runs_is_told(installation: Installation) -> None:
    installation.more.clear()
    with served(installation.home):
        assert "running" not in asyncio.run(installation.wrong())

    state, sentence = asyncio.run(installation.wrong())["running"]

    assert state == "warning"
    assert sentence.startswith(f"No Ringback runs on {installation.home}: ")
    assert sentence.endswith(": start it: 'ringback up'.")


async def test_on_servers_whoever_has_the_metrics_runs(installation: Installation) -> None:
    away = "postgresql://ringback:Sample-Pass-0001@127.0.0.1:1/ringback"
    installation.settings |= {"database_dsn_bin": away, "database_dsn_asterisk": away}
    assert "running" not in await installation.wrong()

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    installation.settings["prometheus_listen_address"] = address

    state, sentence = (await installation.wrong())["running"]
    assert (state, f"nobody answers at {address}" in sentence) == ("warning", True)


@pytest.mark.long
def test_a_port_that_a_running_ringback_has_is_ours(installation: Installation) -> None:
    with served(installation.home) as keys:
        installation.settings["rest_listen_address"] = keys.url.removeprefix("http://")
        checks = asyncio.run(installation.checks())

    assert [check for check in checks if check.state == "problem"] == []
    (port,) = [check for check in checks if "rest_listen_address)" in check.seen]
    assert port.seen.endswith("is that of a running Ringback, which is ready")


async def test_a_certificate_that_ends_or_has_ended_or_is_none(installation: Installation, tmp_path: Path) -> None:
    chain, key = (base64.b64encode(path.read_bytes()).decode() for path in certificate(tmp_path, "rest"))
    installation.settings |= {"ssl_cert_base64": chain, "ssl_privkey_base64": key}
    assert (await installation.wrong())["certificate"][0] == "warning"

    installation.more["now"] = lambda: datetime.now(UTC) + timedelta(days=2)
    state, sentence = (await installation.wrong())["certificate"]
    assert (state, "The certificate of ssl_cert_base64 ended on " in sentence) == ("problem", True)

    installation.settings["ssl_cert_base64"] = key
    assert (await installation.wrong())["certificate"][0] == "problem"
