"""What is left of a deleted customer whose end was killed in the middle, and what becomes of it."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from ringback.registrar import cascade
from tests.cli.conftest import Shell
from tests.patience import ENOUGH
from tests.registrar.test_customers import SIP, ended, fill, left, once, realm, status
from tests.registrar.test_killed import killed, restarted, whole
from tests.test_server import up
from tests.world import MakeWorld, World

PACE = 0.01
"""Seconds between two looks."""
MARK = "Zaphod"
CONTROL = "from ringback.start import registrar_control; registrar_control()"


def until(process: subprocess.Popen[Any], holds: Callable[[], Any]) -> None:
    """Look now and then while the process runs, which would be slower if we looked all the time."""
    last = time.monotonic() + ENOUGH
    while not holds():
        assert time.monotonic() < last, "it takes too long"
        with suppress(subprocess.TimeoutExpired):
            process.wait(PACE)


def begun(world: World, of: int) -> bool:
    """Whether the end of a customer is under way, and far from done."""
    told = "SELECT count(*) AS gone FROM registrar_outbox WHERE event_type IN ('extension_deleted', 'trunk_deleted')"
    gone = int(world.sql(told)[0]["gone"])
    assert gone < of - 100, "it was too fast to be killed"
    return gone > 100


def all_is_gone(world: World, ids: set[str]) -> None:
    """Nothing of the customer is left, and each object's end was told exactly once."""
    tables = world.everything()
    assert {name: tables[name] for name in SIP} == {name: [] for name in SIP}
    assert (left(world), realm(world), status(world)) == (0, None, "deleted")
    assert ended(world) == once(ids)
    assert not [row for row in tables["registrar_directs"] if row["tm_delete"] is None]


@pytest.mark.process
@pytest.mark.contract("registrar R-67, R-63")
async def test_killed_at_any_step_the_end_of_a_customer_is_completed_by_the_next_start(make_world: MakeWorld) -> None:
    world = make_world()
    made = await world.create("1001", direct=True)
    world.register(made["endpoint_id"])
    ids = {made["id"]} | await fill(world, 0, 1) | {(await world.create("1002"))["id"]}
    common = {"what": "end", "event": "customer_deleted", "customer": str(world.customer)}

    (steps,) = await killed({**common, "database": str(whole(world))})

    assert len(steps) > 40
    unheard = []
    for step, database in steps.items():
        again, heard = restarted(make_world, database, world.customer)
        if status(again) == "active":
            unheard.append(step)
            assert (left(again), ended(again)) == (3, {}), step
            assert await again.tell("customer_deleted")
        await cascade.resume(again.ringback.work)
        all_is_gone(again, ids)
        assert (await again.ringback.reconciler.once()).due == [], step
        await again.ringback.relay.publish_waiting()
        told = [message.type for message in heard.messages]
        assert (told.count("extension_deleted"), told.count("trunk_deleted")) == (2, 1), step
        again.close()
    assert {"commit", "0"} <= set(unheard)
    assert "after" not in unheard
    assert len(unheard) < 9


@pytest.mark.process
@pytest.mark.contract("registrar R-67")
def test_a_server_killed_half_way_through_2500_phones_completes_them_after_its_restart(
    make_world: MakeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world()
    ids, home = asyncio.run(fill(world, 2500, 50)), world.home
    words = ("tell", "customer_deleted", "--data", json.dumps({"id": str(world.customer)}))
    told = [
        sys.executable,
        "-c",
        "from ringback.start import ringback; ringback()",
        *words,
        "--ringback_home",
        str(home),
    ]
    shell = Shell(home, str(world.customer), capsys)

    with up(home) as (process, _), subprocess.Popen(told, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as telling:
        until(process, lambda: begun(world, 2550))
        process.send_signal(signal.SIGKILL)
        process.wait()
        _, said = telling.communicate(timeout=ENOUGH)
    rest = left(world)
    with up(home) as (process, _):
        until(process, lambda: left(world) == 0 and realm(world) is None)
        all_is_gone(world, ids)
        again = shell.ringback(*words)
        all_is_gone(world, ids)

    assert 100 < rest < 2450
    assert telling.returncode == 1
    assert b"gave no reply" in said
    assert (again.code, again.json) == (0, {"done": True})


@pytest.mark.process
@pytest.mark.contract("registrar R-67")
def test_5000_phones_of_a_customer_deleted_by_rest_go_completely_through_a_kill(make_world: MakeWorld) -> None:
    world = make_world()
    asyncio.run(world.name(MARK, "mark@acme.example"))
    ids, home = asyncio.run(fill(world, 5000, 20)), world.home
    key, place = asyncio.run(world.key(None)), f"/v1.0/customers/{world.customer}"
    operator = {"authorization": f"Bearer {key}"}

    with up(home) as (process, said):
        gone = httpx.delete(address(said) + place, headers=operator, timeout=ENOUGH)
        until(process, lambda: begun(world, 5020))
        process.send_signal(signal.SIGKILL)
        process.wait()
    rest = left(world)
    unheard = "SELECT id FROM registrar_outbox WHERE event_type = 'customer_deleted' AND tm_publish IS NULL"
    with up(home) as (process, said):
        until(process, lambda: not world.sql(unheard) and is_forgotten(world))
        again = httpx.delete(address(said) + place, headers=operator, timeout=ENOUGH)

    assert (gone.status_code, gone.json()["status"], again.status_code) == (200, "deleted", 404)
    assert 100 < rest < 4920
    all_is_gone(world, ids)
    kept = world.sql("SELECT name, username, realm, ha1 FROM registrar_extensions GROUP BY 1, 2, 3, 4")
    assert kept == [{"name": "", "username": "", "realm": "", "ha1": None}]
    assert world.sql("SELECT id FROM ringback_customers WHERE name = ?", MARK) == []


def address(said: str) -> str:
    """Where REST listens, as the start has told."""
    found = re.search(r"https?://[\w.]+:\d+", said)
    assert found, said
    return found[0]


def is_forgotten(world: World) -> bool:
    of = world.customer.bytes
    return bool(world.sql("SELECT 1 FROM registrar_customers WHERE customer_id = ? AND tm_erase IS NOT NULL", of))


@pytest.mark.process
@pytest.mark.contract("registrar R-67")
@pytest.mark.parametrize("second", [("customer", "delete", "--force"), ("reconcile",)], ids=lambda words: words[0])
def test_a_command_killed_half_way_is_completed_by_the_next_one(
    make_world: MakeWorld, capsys: pytest.CaptureFixture[str], second: tuple[str, ...]
) -> None:
    world = make_world()
    ids = asyncio.run(fill(world, 800, 20))
    whose = ("--customer_id", str(world.customer))
    command = [sys.executable, "-c", CONTROL]
    home = ("--ringback_home", str(world.home))

    with subprocess.Popen([*command, "customer", "delete", "--force", *whose, *home]) as process:
        until(process, lambda: begun(world, 820))
        process.send_signal(signal.SIGKILL)
        process.wait()
    rest = left(world)
    words = (*second, *whose) if second[0] == "customer" else second
    done = Shell(world.home, str(world.customer), capsys).control(*words)

    assert 100 < rest < 720
    assert done.code == 0, done
    all_is_gone(world, ids)
