"""Calls by trunks, of what the dialplan tells of them beside Asterisk's own events."""

from typing import Any
from uuid import uuid4

import pytest

from tests.calls.recorded import write
from tests.calls.test_records import listed, take, told
from tests.world import World

AT = "2026-11-21 20:12:07.56280"
CALL = "asterisk-1795291927.2"
OTHER_LEG = "asterisk-1795291927.3"


def row(kind: str, channel: str, called: str = "", said: str = "", *, leg: str = CALL, number: int = 0) -> list[str]:
    extra = f'{{"extra":"{said}"}}' if kind in ("TRUNK", "PHONE") else '{"hangupcause":16,"dialstatus":"ANSWER"}'
    return [kind, f"{AT}{number}", "1201", called, f"PJSIP/{channel}-00000001", leg, CALL, extra]


def out(phone: dict[str, Any], trunk: str) -> list[list[str]]:
    """A phone's call that goes out by a trunk."""
    endpoint = phone["endpoint_id"]
    return [
        row("CHAN_START", endpoint, "+4930123"),
        row("TRUNK", endpoint, "s", trunk, number=1),
        row("CHAN_START", "edge", "s", leg=OTHER_LEG, number=2),
        row("ANSWER", endpoint, "s", number=3),
        row("HANGUP", endpoint, "s", number=4),
        row("LINKEDID_END", endpoint, "s", number=5),
    ]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_call_out_names_both_and_is_told_as_one_from_the_beginning(world: World, at_once: bool) -> None:
    phone, trunk = await world.create("1201"), await world.create_trunk()
    events = out(phone, trunk["realm"])
    for some in [events] if at_once else [[event] for event in events]:
        write(world, *some)
        await take(world)

    (call,) = await listed(world, f"?trunk_id={trunk['id']}&direction=trunk_out")
    assert (call["from"], call["to"], call["from_extension_id"]) == ("1201", "+4930123", phone["id"])
    assert [(type, data["direction"], data["trunk_id"]) for type, data in told(world)] == [
        (type, "trunk_out", trunk["id"]) for type in ("call_started", "call_answered", "call_ended")
    ]
    assert await listed(world, f"?trunk_id={uuid4()}") == []


async def test_another_customers_trunk_is_not_told(world: World) -> None:
    phone, theirs = await world.create("1201"), await world.create_trunk(customer_id=str(uuid4()))
    write(world, *out(phone, theirs["realm"]))
    await take(world)

    (call,) = await listed(world)
    assert (call["trunk_id"], call["from_extension_id"]) == (None, phone["id"])


async def test_a_trunks_call_that_rings_nobody_is_its_customers(world: World) -> None:
    trunk = await world.create_trunk()
    write(world, row("CHAN_START", "edge", "999"), row("TRUNK", "edge", "number", trunk["realm"], number=1))
    await take(world)
    assert [call["state"] for call in await listed(world)] == ["ringing"]
    write(world, row("HANGUP", "edge", "s", number=2))
    await take(world)

    (call,) = await listed(world)
    assert (call["direction"], call["to"], call["to_extension_id"]) == ("trunk_in", "999", None)
    assert (call["trunk_id"], call["state"]) == (trunk["id"], "ended")


async def test_a_phone_at_the_edge_is_who_the_dialplan_says(world: World) -> None:
    one, two = await world.create("1201"), await world.create("1202")
    write(world, row("CHAN_START", "edge", "1202"), row("PHONE", "edge", "number", one["endpoint_id"], number=1))
    await take(world)

    (call,) = await listed(world)
    assert (call["direction"], call["from"], call["state"]) == ("internal", "1201", "ringing")
    assert (call["from_extension_id"], call["to_extension_id"]) == (one["id"], two["id"])
