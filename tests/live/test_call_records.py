"""Calls at a real Asterisk become records and events, whatever is killed meanwhile."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ringback.demo.phone import Account, CallReport, Phone, PhoneOptions
from ringback.demo.ports import HOST, free_ports
from ringback.demo.programs import AsteriskProgram
from ringback.demo.server import Server

from .conftest import Edge, Extension, StartPhone, World, running, until

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]


async def calls_of(world: World, extension: Extension) -> list[Mapping[str, Any]]:
    """Newest first."""
    answer = await world.server.rest("GET", f"/v1.0/calls?extension_id={extension['id']}")
    assert answer.status == 200, answer
    return list(answer.body["result"])


async def ended(world: World, extension: Extension, count: int = 1) -> Mapping[str, Any]:
    """The newest call of as many, once all have ended."""

    async def seen() -> list[tuple[Any, ...]]:
        found = await _in_state(world, extension, "ended")
        return found if len(found) >= count else []

    await until(seen)
    return (await calls_of(world, extension))[0]


def told(world: World, call: Mapping[str, Any]) -> list[str]:
    about = "subscription_id = ? AND publisher = 'call-manager' ORDER BY id"
    id = UUID(call["id"]).bytes
    return [type for (type,) in world.sql(f"SELECT event_type FROM registrar_outbox WHERE {about}", id)]


def said(call: Mapping[str, Any], *names: str) -> list[Any]:
    return [call[name] for name in names]


CARRIER = "127.0.0.44"
HOW = ("direction", "state", "hangup_cause", "hangup_reason", "ended_by")


async def test_answered_calls_end_by_either_side(world: World, phone: StartPhone) -> None:
    one, two = await asyncio.gather(world.create("1901"), world.create("1902"))
    caller, callee = await asyncio.gather(phone(one), phone(two))
    assert [await caller.register(), await callee.register()] == [200, 200]

    assert (await caller.call(f"sip:1902@{two['realm']}", talk=0.5)).status == 200
    first = await ended(world, one)
    talking = asyncio.create_task(caller.call(f"sip:1902@{two['realm']}", talk=60))
    await callee.answered()
    await callee.answered()
    await until(lambda: _in_state(world, two, "up"))
    await callee.hang_up()
    assert (await talking).status == 200
    second = await ended(world, two, 2)

    assert said(first, *HOW) == ["internal", "ended", 16, "normal_clearing", "caller"]
    assert said(second, *HOW) == ["internal", "ended", 16, "normal_clearing", "callee"]
    assert said(first, "from", "to", "from_extension_id", "to_extension_id") == ["1901", "1902", one["id"], two["id"]]
    assert first["duration"] > 0.4
    assert told(world, first) == told(world, second) == ["call_started", "call_answered", "call_ended"]


async def test_calls_that_nobody_takes_say_why(world: World, phone: StartPhone, tmp_path: Path) -> None:
    one, busy, slow = await asyncio.gather(*(world.create(number) for number in ("1903", "1904", "1905")))
    caller = await phone(one)
    options = [_options(world, busy, tmp_path, 486), _options(world, slow, tmp_path, 180)]
    async with await Phone.start(options[0]) as engaged, await Phone.start(options[1]) as ringing:
        assert [await each.register() for each in (caller, engaged, ringing)] == [200] * 3

        assert (await caller.call(f"sip:1904@{one['realm']}")).status == 486
        assert said(await ended(world, busy), *HOW) == ["internal", "ended", 17, "user_busy", "callee"]

        calling = asyncio.create_task(caller.call(f"sip:1905@{one['realm']}"))
        await until(lambda: _in_state(world, slow, "ringing"))
        await caller.hang_up()
        assert (await calling).status == 487
    cancelled = await ended(world, slow)
    assert said(cancelled, *HOW) == ["internal", "ended", 16, "cancelled", "caller"]
    assert told(world, cancelled) == ["call_started", "call_ended"]
    assert cancelled["duration"] == 0


async def _in_state(world: World, extension: Extension, state: str) -> list[tuple[Any, ...]]:
    mine = "? IN (caller_extension_id, called_extension_id) AND state = ?"
    return world.sql(f"SELECT id FROM ringback_calls WHERE {mine}", UUID(extension["id"]).bytes, state)


async def test_a_stranger_at_a_direct_address_is_a_call_of_whom_it_rings(world: World, phone: StartPhone) -> None:
    made = await world.create("1906", direct=True)
    callee, stranger = await asyncio.gather(phone(made), phone())
    assert await callee.register() == 200

    assert (await stranger.call(f"sip:direct.{made['direct_hash']}@sip.localhost", talk=0.2)).status == 200

    call = await ended(world, made)
    assert said(call, "direction", "from", "from_extension_id", "to_extension_id", "customer_id") == [
        "direct", "caller", None, made["id"], made["customer_id"],
    ]  # fmt: skip


async def test_a_trunks_call_is_of_whom_it_rings(edge: Edge, phone: StartPhone) -> None:
    made = await edge.world.create("1909")
    callee = await phone(made)
    assert await callee.register() == 200
    trunk = await edge.create("recorded", "ip", allowed_ips=[CARRIER])
    carrier = await phone(server=edge.kamailio.at, bind=CARRIER)

    assert (await carrier.call(f"sip:1909@{trunk['realm']}", talk=0.2)).status == 200

    call = await ended(edge.world, made)
    assert said(call, "direction", "from", "to", "from_extension_id", "to_extension_id", "ended_by") == [
        "trunk_in", "caller", "1909", None, made["id"], "caller",
    ]  # fmt: skip


async def test_calls_that_a_kill_of_asterisk_cut_off_end_when_it_is_back(world: World, phone: StartPhone) -> None:
    one, two = await asyncio.gather(world.create("1907"), world.create("1908"))
    caller, callee = await asyncio.gather(phone(one), phone(two))
    assert [await caller.register(), await callee.register()] == [200, 200]
    talking = asyncio.create_task(caller.call(f"sip:1908@{two['realm']}", talk=2, within=60))
    await callee.answered()
    await until(lambda: _in_state(world, one, "up"))

    await world.asterisk.kill()
    await world.asterisk.again()

    assert (await callee.call(f"sip:1907@{one['realm']}", talk=0.1)).status == 200  # nobody has registered again
    await ended(world, one, 2)
    call = (await calls_of(world, one))[1]
    assert said(call, *HOW) == ["internal", "ended", 41, "server_restarted", "server"]
    assert told(world, call) == ["call_started", "call_answered", "call_ended"]
    talking.cancel()


@pytest.mark.parametrize("routing", ["odbc", "agi"])
async def test_calls_go_on_while_ringback_is_away_and_are_recorded_when_it_is_back(
    program: AsteriskProgram, tmp_path: Path, routing: str
) -> None:
    """It is killed, and then stopped as one stops a service."""
    agi = f"{HOST}:{free_ports(1)[0]}" if routing == "agi" else ""
    async with running(program, tmp_path, agi_listen_address=agi) as world:
        one, two = await asyncio.gather(world.create("1001"), world.create("1002"))
        options = [_options(world, each, tmp_path) for each in (one, two)]
        async with await Phone.start(options[0]) as caller, await Phone.start(options[1]) as callee:
            assert [await caller.register(), await callee.register()] == [200, 200]
            for count, is_killed in ((2, True), (4, False)):
                talking = asyncio.create_task(caller.call(f"sip:1002@{two['realm']}", talk=60))
                await until(partial(_in_state, world, one, "up"))
                await (world.server.kill() if is_killed else world.server.stop())
                assert (await _callee_ends(callee, talking)) == 200
                assert (await caller.call(f"sip:1002@{two['realm']}", talk=0.2)).status == 200

                world = replace(world, server=await Server.start(world.server.home, agi_listen_address=agi))
                await ended(world, one, count)
                calls = (await calls_of(world, one))[:2]
                assert [call["ended_by"] for call in calls] == ["caller", "callee"]
                for call in calls:
                    assert said(call, *HOW[:-1]) == ["internal", "ended", 16, "normal_clearing"]
                    assert told(world, call) == ["call_started", "call_answered", "call_ended"]
            await world.server.stop()


async def _callee_ends(callee: Phone, talking: asyncio.Task[CallReport]) -> int:
    """Hang up a call that goes on; what the caller's phone says of it, who has heard the other side."""
    await callee.hang_up()
    report = await talking
    assert report.received > 0
    return report.status


def _options(world: World, extension: Extension, folder: Path, answer: int = 200) -> PhoneOptions:
    account = Account(extension["extension"], extension["realm"], extension["password"], extension["username"])
    return PhoneOptions(extension["extension"], world.ports.phones_at, folder, 440, account, answer=answer)
