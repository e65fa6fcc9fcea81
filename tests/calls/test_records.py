"""Calls are made of what a real Asterisk has written of them, once each, whatever happens to us meanwhile."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from ringback.calls.records.taking import Taking
from ringback.registrar import cascade
from ringback.sip import cel
from tests.calls.recorded import PHONES, RECORDED, phones, rows, write
from tests.world import Broken, MakeWorld, World, refusal

STARTED, ANSWERED, ENDED = ("call_started", "call_answered", "call_ended")
OUTCOMES: dict[str, dict[str, Any]] = {
    "answered, the caller hangs up": {"to": "1202", "hangup_reason": "normal_clearing", "ended_by": "caller"},
    "answered, the callee hangs up": {"to": "1202", "hangup_reason": "normal_clearing", "ended_by": "callee"},
    "busy": {"to": "1203", "hangup_cause": 17, "hangup_reason": "user_busy", "ended_by": "callee"},
    "cancelled": {"to": "1204", "hangup_cause": 16, "hangup_reason": "cancelled", "ended_by": "caller"},
    "no answer": {"to": "1204", "hangup_cause": 19, "hangup_reason": "no_answer", "ended_by": "server"},
    "a number of nobody": {"to": "1299", "hangup_cause": 1, "hangup_reason": "unallocated_number"},
    "nobody registered": {"to": "1204", "hangup_cause": 20, "hangup_reason": "subscriber_absent"},
    "a stranger at a direct address": {"direction": "direct", "from": "caller", "hangup_reason": "normal_clearing"},
    "a phone at a direct address": {"direction": "direct", "from": "1201", "hangup_reason": "normal_clearing"},
}


async def take(world: World) -> None:
    await Taking(world.ringback.work, world.settings.call_keep_days).once()


def told(world: World) -> list[tuple[str, dict[str, Any]]]:
    return [(type, data) for type, data in world.events() if type.startswith("call_")]


async def listed(world: World, query: str = "") -> list[dict[str, Any]]:
    async with await world.http() as client:
        answer = await client.get(f"/v1.0/calls{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["result"])


@pytest.mark.parametrize("what", OUTCOMES)
async def test_a_call_is_recorded_and_told(world: World, what: str) -> None:
    made = await phones(world)
    write(world, *rows(world, what, made["1201"]["realm"]))

    await take(world)

    (call,) = await listed(world)
    expected = {"direction": "internal", "from": "1201", "state": "ended", **OUTCOMES[what]}
    assert {name: call[name] for name in expected} == expected
    ids = {call[side]: call[f"{side}_extension_id"] for side in ("from", "to")}
    assert all(id == made[number]["id"] for number, id in ids.items() if number in PHONES)
    is_answered = what.startswith("a") and "number" not in what
    assert [type for type, _ in told(world)] == [STARTED, *([ANSWERED] if is_answered else []), ENDED]
    assert (call["duration"] > 0) == is_answered == (call["tm_answer"] is not None)
    assert [data["state"] for _, data in told(world)] == ["ringing", *(["up"] if is_answered else []), "ended"]
    assert told(world)[-1][1] == call
    assert world.everything()["ringback_channel_events"] == []


@pytest.mark.parametrize("what", OUTCOMES)
async def test_it_is_the_same_call_when_events_come_one_by_one(world: World, what: str) -> None:
    realm = (await phones(world))["1201"]["realm"]
    events = rows(world, what, realm)
    write(world, *events)
    await take(world)
    (whole,) = await listed(world)
    types = [type for type, _ in told(world)]

    world.sql("DELETE FROM ringback_calls")
    for event in events:
        write(world, event)
        await take(world)

    (call,) = await listed(world)
    assert {**call, "id": ""} == {**whole, "id": ""}
    assert [type for type, _ in told(world)] == types * 2


async def test_strangers_who_reach_nobody_leave_no_record(world: World) -> None:
    realm = (await phones(world))["1201"]["realm"]
    write(world, *rows(world, "a stranger at no address", realm), *rows(world, "a start of Asterisk", realm))

    await take(world)

    assert (await listed(world), told(world), world.everything()["ringback_channel_events"]) == ([], [], [])


async def test_many_calls_that_wait_are_made_by_as_many_statements_as_one(world: World) -> None:
    realm = (await phones(world))["1201"]["realm"]

    async def statements(*outcomes: str) -> int:
        write(world, *(row for what in outcomes for row in rows(world, what, realm)))
        world.statements.clear()
        await take(world)
        return len(world.statements)

    first, *others = (what for what in OUTCOMES if what.startswith("answered") or what in ("busy", "cancelled"))
    of_one = await statements(first)

    assert await statements(*others) == of_one
    assert len(await listed(world)) == 1 + len(others)


@pytest.mark.parametrize("together", [False, True])
async def test_calls_that_a_crash_of_asterisk_cut_off_end_when_it_is_back(world: World, together: bool) -> None:
    realm = (await phones(world))["1201"]["realm"]
    write(world, *rows(world, "cut off", realm))
    if not together:
        await take(world)
        assert [call["state"] for call in await listed(world)] == ["up"]

    write(world, *rows(world, "another start of Asterisk", realm))
    await take(world)
    await take(world)

    (call,) = await listed(world)
    assert (call["state"], call["hangup_cause"], call["hangup_reason"]) == ("ended", 41, "server_restarted")
    assert call["tm_end"] > call["tm_answer"]
    assert [type for type, _ in told(world)] == [STARTED, ANSWERED, ENDED]


@pytest.mark.parametrize(("after", "state"), [(timedelta(hours=23), "up"), (timedelta(hours=25), "ended")])
async def test_a_call_of_which_nobody_tells_the_end_is_over_after_a_day(
    world: World, after: timedelta, state: str
) -> None:
    realm = (await phones(world))["1201"]["realm"]
    write(world, *rows(world, "cut off", realm))
    await take(world)
    (call,) = await listed(world)
    now = world.ringback.work.now()
    world.wait((datetime.fromisoformat(call["tm_start"]) + after - now).total_seconds())

    await Taking(world.ringback.work, 0).keep()

    (call,) = await listed(world)
    assert call["state"] == state
    if state == "ended":
        assert (call["hangup_reason"], call["hangup_cause"], call["duration"]) == ("lost", None, 0)
        assert [type for type, _ in told(world)] == [STARTED, ANSWERED, ENDED]


async def test_channels_that_are_nobodys_and_go_on_hold_up_no_call(world: World) -> None:
    realm = (await phones(world))["1201"]["realm"]
    now = world.ringback.work.now().replace(tzinfo=None).isoformat(" ")
    for number in range(cel.BATCH):
        at, channel = f"asterisk-1.{number}", f"PJSIP/queue-{number:08x}"
        write(world, ["CHAN_START", now, "queue", "8000", channel, at, at, ""])
    write(world, *rows(world, "busy", realm))

    await take(world)

    assert [call["hangup_reason"] for call in await listed(world)] == ["user_busy"]
    assert len(world.everything()["ringback_channel_events"]) == cel.BATCH // 2


async def test_another_asterisks_start_ends_no_call(world: World) -> None:
    realm = (await phones(world))["1201"]["realm"]
    others = [[value.replace("asterisk-", "ast-2-") for value in row] for row in RECORDED["another start of Asterisk"]]
    write(world, *rows(world, "cut off", realm), *others)

    await take(world)

    assert [call["state"] for call in await listed(world, "?state=up")] == ["up"]


async def test_what_breaks_in_between_is_done_again_and_nothing_twice(world: World) -> None:
    realm = (await phones(world))["1201"]["realm"]
    write(world, *rows(world, "answered, the caller hangs up", realm))
    for number in range(1, 12):
        world.fail_at(number)
        try:
            await take(world)
        except Broken:
            assert len(told(world)) in (0, 3)
        world.heal()
    await take(world)

    assert [type for type, _ in told(world)] == [STARTED, ANSWERED, ENDED]
    assert len(await listed(world)) == 1


async def test_two_instances_tell_a_call_once(world: World, make_world: MakeWorld) -> None:
    realm = (await phones(world))["1201"]["realm"]
    other = make_world(beside=world)
    for what in OUTCOMES:
        write(world, *rows(world, what, realm))

    await asyncio.gather(take(world), take(other), take(world), take(other))
    await take(world)

    assert len(await listed(world)) == len(OUTCOMES)
    assert [type for type, _ in told(world)].count(ENDED) == len(OUTCOMES)


async def test_what_strangers_write_is_bounded_and_plain(world: World) -> None:
    realm = (await phones(world))["1201"]["realm"]
    events = rows(world, "a stranger at a direct address", realm)
    for event in events:
        event[2] = "x\r\n\x1b[31m<b>';--" + "9" * 60
        event[7] = '{"hangupcause":"' if event[0] == "HANGUP" else event[7]
    write(world, *events, ["", "no time", "\x07", "", "PJSIP/", "", "", "[]"])

    await take(world)

    (call,) = await listed(world)
    assert call["from"] == "x[31m<b>';--" + "9" * 60
    assert (call["hangup_cause"], call["hangup_reason"], call["ended_by"]) == (None, "unknown", "server")


async def test_lists_are_filtered_and_another_customers_calls_are_not_there(world: World) -> None:
    made = await phones(world)
    for what in ("busy", "a phone at a direct address"):
        write(world, *rows(world, what, made["1201"]["realm"]))
    await take(world)

    direct, busy = await listed(world)
    since = direct["tm_start"].replace("+", "%2B")
    assert await listed(world, f"?extension_id={made['1201']['id']}") == [direct, busy]
    assert await listed(world, f"?extension_id={made['1203']['id']}") == [busy]
    assert await listed(world, "?direction=direct&state=ended") == [direct]
    assert await listed(world, f"?since={since}") == [direct]
    assert await listed(world, "?since=0001-01-01T00:00:00%2B23:59") == [direct, busy]
    assert await listed(world, "?since=9999-12-31T23:59:59-23:59") == []
    assert await listed(world, "?state=ringing") == []
    async with await world.http() as client:
        assert (await client.get(f"/v1.0/calls/{busy['id']}")).json() == busy
        assert refusal(await client.get("/v1.0/calls?state=gone&since=now"))[1] == "VALIDATION_FAILED"
    async with await world.http(await world.key(uuid4())) as other:
        assert refusal(await other.get(f"/v1.0/calls/{busy['id']}")) == (404, "CALL_NOT_FOUND")
        assert (await other.get("/v1.0/calls")).json()["result"] == []


async def test_calls_go_with_their_customer_and_when_they_are_old(make_world: MakeWorld) -> None:
    world = make_world(call_keep_days=30)
    realm = (await phones(world))["1201"]["realm"]
    write(world, *rows(world, "busy", realm), *rows(world, "cancelled", realm))
    await take(world)
    at = world.sql("SELECT max(tm_create) AS at FROM ringback_calls")[0]["at"]
    days = Taking(world.ringback.work, 30)
    world.sql("UPDATE ringback_calls SET tm_create = ? WHERE tm_create < ?", "2026-01-01 00:00:00.000000", at)
    await days.keep()
    assert [call["hangup_reason"] for call in await listed(world)] == ["cancelled"]

    await cascade.end(world.ringback.work, world.customer)

    assert world.everything()["ringback_calls"] == []


@pytest.mark.contract("router P-6")
@pytest.mark.parametrize("event", ["REJECTED", "UNSCREENED"])
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_call_that_a_policy_has_refused_is_the_called_customers_with_the_reason(
    world: World, event: str, at_once: bool
) -> None:
    made = (await phones(world))["1202"]
    start, *_, hangup, end = rows(world, "a stranger at no address", made["realm"])
    said = [event, *start[1:3], "s", *start[4:7], json.dumps({"extra": made["endpoint_id"]})]
    hangup = [*hangup[:7], hangup[7].replace('"hangupcause":1,', '"hangupcause":21,')]
    for some in [[start, said, hangup, end]] if at_once else ([start], [said], [hangup], [end]):
        write(world, *some)
        await take(world)

    (call,) = await listed(world)

    assert (call["to_extension_id"], call["direction"], call["state"]) == (made["id"], "direct", "ended")
    reason = {"REJECTED": "rejected_by_policy", "UNSCREENED": "policy_failed"}[event]
    assert (call["hangup_cause"], call["hangup_reason"], call["ended_by"]) == (21, reason, "server")
    assert [type for type, _ in told(world)] == [STARTED, ENDED]
