"""`router-control bench`: what it counts, what it writes, and that nothing of it stays. How fast it was is no test."""

import json
import os
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from ringback.demo.ports import free_ports
from ringback.router.bench.ground import NAME
from tests.house import ROOT
from tests.live.bench import bench, left, started
from tests.live.test_router_nodes import ENGINES, made
from tests.patience import ENOUGH
from tests.servers.fixtures import MakeDatabase
from tests.servers.nats import Nats
from tests.servers.programs import NATS, obtained

pytestmark = pytest.mark.process

SMALL = ("--records", "100")
OVER_NATS = {"T-3", "T-4", "T-5", "T-6"}
TARGETS = {"T-1", "T-2", "T-7", "T-8", "T-9", *OVER_NATS}


def numbers(run: Any) -> set[str]:
    return {one["number"] for one in run["results"]}


def over(nats: Nats) -> dict[str, str]:
    """The environment that leads to a NATS."""
    return {"NATS_ADDRESS": nats.url, "NATS_USER": nats.USER, "NATS_PASSWORD": nats.password}


@pytest.mark.contract("router X-16, X-17, X-31, T-3, T-4, T-5, T-6, T-7, T-8")
def test_all_of_it_is_measured_counted_and_written(nats: Nats, tmp_path: Path) -> None:
    ran = bench(tmp_path, "all", *SMALL, "--seconds", "1", "--changes", "8", **over(nats))

    assert ran.code == ran.verdict, ran
    assert ran.json["machine"].keys() == {"cpu", "cores", "load", "kernel", "python", "ringback"}
    (run,) = ran.json["runs"]
    assert (run["engine"].partition(" ")[0], numbers(run), run["details"].keys()) == ("SQLite", TARGETS, TARGETS)
    load, swapped = run["details"]["T-8"], run["details"]["T-2"]
    assert (load["hits"], load["misses"]) == (load["lookups"], 0)
    assert load["lookups"] > 0
    assert load["writes"] + load["failed_writes"] <= 10
    assert load["loads"] >= 1
    assert (swapped["misses"], swapped["failed_loads"]) == (0, 0)
    assert swapped["swaps"] > swapped["loads"] >= 1
    assert run["details"]["T-7"]["from_begin_ms"]["count"] == 8
    assert run["details"]["T-9"]["same_ms"]["count"] >= 1
    assert run["details"]["T-3"] == {"pipelines": 1000, "statements": 0}
    for number in ("T-4", "T-5"):
        flown = run["details"][number]
        assert all(flown[way]["count"] > 0 for way in ("pipelines", "bus", "client"))
    for one in run["results"]:
        assert f"| {one['number']} | {one['what']} | {one['target']} |" in ran.page
        assert ("PASS" if one["pass"] else "FAIL") in ran.out
        assert (one["ratio"] is None) == (one["floor"] is None)
    assert (ran.err, ran.left) == ("", [])


@pytest.mark.contract("router T-5")
def test_a_nats_server_of_the_machine_serves_for_as_long_as_it_takes(tmp_path: Path) -> None:
    program = tmp_path / "nats-server"
    words = shlex.join(obtained(NATS).command)
    program.write_text(f'#!/bin/sh\necho $$ > {tmp_path}/pid\nexec {words} "$@"\n')
    program.chmod(0o755)

    ran = bench(tmp_path, "pipeline", *SMALL, "--seconds", "1", PATH=f"{tmp_path}:{os.environ['PATH']}")

    assert ran.code == ran.verdict, ran
    assert all(isinstance(one["figure"], float) for one in ran.json["runs"][0]["results"])
    assert (ran.err, ran.left) == ("", [])
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


@pytest.mark.contract("router X-31")
def test_without_a_nats_what_needs_one_is_told_as_not_measured(tmp_path: Path) -> None:
    ran = bench(tmp_path, "call", *SMALL, "--seconds", "1", PATH=str(tmp_path))

    assert (ran.code, ran.json["passed"]) == (1, False)
    assert [(one["number"], one["figure"], one["pass"]) for one in ran.json["runs"][0]["results"]] == [
        (number, None, None) for number in ("T-3", "T-4", "T-6")
    ]
    assert ran.err == "not measured: T-3, T-4, T-6: no NATS: give --nats_address, or install nats-server\n"
    assert ("PASS" in ran.out, "FAIL" in ran.out, "—" in ran.out) == (False, False, True)


@pytest.mark.contract("router X-31")
def test_on_standard_output_json_stands_alone(tmp_path: Path) -> None:
    with started(tmp_path, "lookup", *SMALL, "--seconds", "1", "--json", "-") as process:
        out, err = process.communicate(timeout=60)

    assert (json.loads(out)["passed"], err) == (process.returncode == 0, "")


@pytest.mark.contract("router T-5")
@pytest.mark.parametrize(
    ("lacks", "cause"),
    [
        ('publish: { deny: "beamline.>" }', "EXTENSION_UNAVAILABLE"),
        ('subscribe: { deny: "beamline.>" }', "EXTENSION_UNAVAILABLE"),
        ('publish: { deny: "_INBOX.>" }', "EXTENSION_TIMEOUT"),
    ],
)
def test_a_user_of_nats_who_lacks_a_permission_is_told_what_to_look_at(lacks: str, cause: str, tmp_path: Path) -> None:
    users = f'authorization {{ users = [{{ user: some, password: "some-words", permissions: {{ {lacks} }} }}] }}'
    with Nats.configured(users, {}) as nats:
        who = {"NATS_ADDRESS": nats.url, "NATS_USER": "some", "NATS_PASSWORD": "some-words"}
        ran = bench(tmp_path, "pipeline", *SMALL, "--seconds", "1", **who)

    last = ran.err.splitlines()[-1]
    assert (ran.code, ran.json, ran.left) == (6, None, [])
    assert f"ringback_bench_pre failed over NATS, {cause}: look at whether the user of NATS may publish" in last


def test_a_nats_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    ran = bench(tmp_path, "call", *SMALL, "--seconds", "1", "--nats_address", f"nats://127.0.0.1:{port}")

    assert (ran.code, ran.json, ran.left) == (6, None, [])
    assert ran.err.splitlines()[-1].endswith(f"there is no NATS at nats://127.0.0.1:{port}, or it is gone")


@pytest.mark.contract("router T-7")
@pytest.mark.parametrize("engine", ENGINES)
def test_on_a_server_it_works_beside_what_is_there_and_leaves_nothing(
    engine: str, make_database: MakeDatabase, tmp_path: Path
) -> None:
    database = made(make_database(engine))
    database.execute("UPDATE extensions SET timeout_ms = 77 WHERE id = 'pii_guard'")

    ran = bench(tmp_path, "propagation", *SMALL, "--changes", "8", "--on", database.dsn)

    assert ran.code == ran.verdict, ran
    (result,) = ran.json["runs"][0]["results"]
    assert (result["floor"] is not None) == (engine == "postgresql")
    assert (ran.err, ran.left, database.dsn in str(ran)) == ("", [], False)
    assert database.execute("SELECT timeout_ms, revision FROM extensions WHERE id = 'pii_guard'") == [(77, 1)]
    assert database.execute("SELECT count(*) FROM extension_audit_log") == [(0,)]
    assert database.execute(f"SELECT schema_name FROM information_schema.schemata WHERE schema_name = '{NAME}'") == []


@pytest.mark.parametrize("engine", ENGINES)
def test_what_another_one_left_is_not_touched(engine: str, make_database: MakeDatabase, tmp_path: Path) -> None:
    database = make_database(engine)
    database.execute(f"CREATE {'DATABASE' if engine == 'mariadb' else 'SCHEMA'} {NAME}")
    try:
        ran = bench(tmp_path, "lookup", *SMALL, "--seconds", "1", "--on", database.dsn)

        assert (ran.code, ran.out, ran.json) == (2, "", None)
        assert f"has a {NAME} already" in ran.err
    finally:
        database.execute(f"DROP {'DATABASE' if engine == 'mariadb' else 'SCHEMA'} {NAME}")


def test_one_that_is_told_to_stop_leaves_nothing(make_database: MakeDatabase, tmp_path: Path) -> None:
    database = make_database("postgresql")
    there = f"SELECT 1 FROM information_schema.schemata WHERE schema_name = '{NAME}'"
    with started(tmp_path, "lookup", *SMALL, "--seconds", "600", "--on", database.dsn) as process:
        while not database.execute(there) and process.poll() is None:
            pass
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=ENOUGH)

    assert (process.returncode, database.execute(there), left(tmp_path)) == (130, [], [])


@pytest.mark.parametrize("on", ["sqlite:///x.db", "nonsense", "mysql://nobody@127.0.0.1:1/none"])
def test_a_place_that_cannot_be_is_told_in_one_line(on: str, tmp_path: Path) -> None:
    ran = bench(tmp_path, "lookup", *SMALL, "--seconds", "1", "--on", on)

    assert (ran.code, ran.err.count("\n"), ran.err.startswith("router-control: --on: ")) == (2, 1, True), ran.err


@pytest.mark.contract("router X-31")
def test_the_page_shows_every_target() -> None:
    page = (ROOT / "docs/benchmarks.md").read_text()

    assert {number for number in TARGETS if f"| {number} |" in page} >= TARGETS - OVER_NATS
