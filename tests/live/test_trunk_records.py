"""Calls by trunks have records that name the extension and the trunk, in and out, answered or not."""

from collections.abc import Mapping
from typing import Any

import pytest

from .conftest import Edge, StartPhone, as_phone, until
from .test_call_records import HOW, ended, said, told
from .test_calls_by_a_trunk import NUMBER, PURE, TO, carrier, registered, way_out

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

WHO = ("direction", "from", "to", "from_extension_id", "to_extension_id", "trunk_id")


async def test_a_call_out_names_the_extension_and_the_trunk(edge: Edge, phone: StartPhone) -> None:
    made = await edge.world.create("1821")
    one = await phone(made)
    assert await one.register() == 200
    async with way_out(edge, "rec-out") as trunk:
        await carrier(edge, trunk, phone)

        assert (await one.call(TO, talk=0.2)).status == 200

        call = await ended(edge.world, made)
        assert said(call, *WHO) == ["trunk_out", "1821", NUMBER, made["id"], None, trunk["id"]]
        assert said(call, *HOW[1:]) == ["ended", 16, "normal_clearing", "caller"]
        assert told(edge.world, call) == ["call_started", "call_answered", "call_ended"]
        assert call["duration"] > 0


@pytest.mark.parametrize(
    ("answer", "reason", "by"),
    [
        (486, "user_busy", "callee"),
        (404, "unallocated_number", "callee"),
        (480, "no_answer", "server"),
        (503, "no_circuit_available", "server"),
    ],
)
async def test_a_call_out_that_is_not_taken_says_why(
    edge: Edge, phone: StartPhone, answer: int, reason: str, by: str
) -> None:
    made = await edge.world.create(f"1822{answer}")
    one = await phone(made)
    assert await one.register() == 200
    async with way_out(edge, f"rec-{answer}") as trunk:
        await carrier(edge, trunk, phone, answer=answer)

        assert (await one.call(TO)).status == answer

        call = await ended(edge.world, made)
        assert said(call, *WHO) == ["trunk_out", f"1822{answer}", NUMBER, made["id"], None, trunk["id"]]
        assert said(call, "hangup_reason", "ended_by", "duration") == [reason, by, 0]
        assert told(edge.world, call) == ["call_started", "call_ended"]


async def test_a_call_out_to_a_trunk_that_is_nowhere_is_not_answered(edge: Edge, phone: StartPhone) -> None:
    made = await edge.world.create("1823")
    one = await phone(made)
    assert await one.register() == 200
    async with way_out(edge, "rec-nowhere") as trunk:
        assert (await one.call(TO)).status == 480

        call = await ended(edge.world, made)
        assert said(call, *WHO, "hangup_reason") == [
            "trunk_out",
            "1823",
            NUMBER,
            made["id"],
            None,
            trunk["id"],
            "no_answer",
        ]


async def test_calls_that_come_in_name_the_trunk_whether_they_ring_somebody_or_not(
    edge: Edge, phone: StartPhone
) -> None:
    world = edge.world
    made = await world.create("1824", direct=True)
    callee = await phone(made)
    trunk = await edge.create("rec-in", "basic", username="pbx01")
    pbx = await phone(as_phone(trunk, password=trunk["password"]), server=edge.kamailio.at)

    assert (await pbx.call("sip:1824@sip.localhost")).status == 480
    assert await callee.register() == 200
    assert (await pbx.call("sip:1824@sip.localhost", talk=0.1)).status == 200
    assert (await pbx.call(f"sip:direct.{made['direct_hash']}@sip.localhost", talk=0.1)).status == 200
    assert (await pbx.call("sip:1825@sip.localhost")).status == 404
    await ended(world, made, 3)

    async def all_of_the_trunk() -> list[Mapping[str, Any]]:
        answer = await world.server.rest("GET", f"/v1.0/calls?trunk_id={trunk['id']}&state=ended")
        found = list(answer.body["result"])
        return found if len(found) == 4 else []

    calls = await until(all_of_the_trunk)
    who = ("direction", "to", "to_extension_id", "hangup_reason")
    assert [said(call, *who) for call in calls[::-1]] == [
        ["trunk_in", "1824", made["id"], "subscriber_absent"],
        ["trunk_in", "1824", made["id"], "normal_clearing"],
        ["direct", f"direct.{made['direct_hash']}", made["id"], "normal_clearing"],
        ["trunk_in", "1825", None, "unallocated_number"],
    ]
    assert {call["customer_id"] for call in calls} == {trunk["customer_id"]}


async def test_an_extension_is_no_trunks_call(edge: Edge, phone: StartPhone) -> None:
    made = await edge.world.create("1826")
    one = await phone(made)
    assert await one.register() == 200
    await registered(edge, "1827", phone)
    async with way_out(edge, "rec-internal"):
        assert (await one.call("sip:1827@sip.localhost", talk=0.1)).status == 200
        assert said(await ended(edge.world, made), "direction", "trunk_id") == ["internal", None]


async def test_a_phone_at_the_edge_calls_out_too(edge: Edge, phone: StartPhone) -> None:
    made = await edge.world.create("1871")
    one = await phone(made, server=edge.kamailio.at, tone=660)
    assert await one.register() == 200
    async with way_out(edge, "rec-edge") as trunk:
        pbx = await carrier(edge, trunk, phone, tone=1000)

        call = await one.call(TO)

        assert (call.status, call.heard(1000) > PURE, (await pbx.next_call()).heard(660) > PURE) == (200, True, True)
        record = await ended(edge.world, made)
        assert said(record, *WHO) == ["trunk_out", "1871", NUMBER, made["id"], None, trunk["id"]]
