"""How a call between two phones ends: answered or not, by either side, with the status that says why."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from ringback.demo.programs import AsteriskProgram
from ringback.sip.config import AsteriskOptions, asterisk_files

from .conftest import StartPhone, World, in_front, running, until
from .test_call_records import ended
from .test_calls_by_a_trunk import TO, carrier, way_out

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]


def impatient(options: AsteriskOptions) -> Mapping[str, str]:
    """A dialplan that lets phones ring for two seconds and not for sixty."""
    plan = asterisk_files(options)["extensions.conf"]
    assert plan.count(",60,i") == plan.count("Dial(") == 3
    return {"extensions.conf": plan.replace(",60,i", ",2,i")}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running(program, tmp_path_factory.mktemp("ends"), files=impatient) as one:
        yield one
        assert one.complaints() == []


@pytest.mark.parametrize(
    ("answer", "status", "reason", "by"),
    [
        (486, 486, "user_busy", "callee"),
        (480, 480, "no_answer", "server"),
        (404, 404, "unallocated_number", "callee"),
        (603, 403, "call_rejected", "callee"),
        (180, 480, "no_answer", "server"),
    ],
)
async def test_a_phone_that_does_not_answer_is_told_and_recorded_by_the_right_status(
    world: World, phone: StartPhone, answer: int, status: int, reason: str, by: str
) -> None:
    one, two = await world.create(f"18{answer}"), await world.create(f"19{answer}")
    caller, callee = await asyncio.gather(phone(one), phone(two, answer=answer))
    assert [await caller.register(), await callee.register()] == [200, 200]

    made = await caller.call(f"sip:19{answer}@{two['realm']}")

    assert (made.status, callee.rang, made.sent) == (status, 1, 0)
    call = await ended(world, two)
    assert (call["hangup_reason"], call["ended_by"], call["duration"]) == (reason, by, 0)


async def test_a_carrier_that_rings_and_does_not_answer_is_cancelled(
    world: World, phone: StartPhone, tmp_path: Path
) -> None:
    made = await world.create("1851")
    async with in_front(world, tmp_path / "kamailio") as edge, way_out(edge, "out-rings") as trunk:
        one, pbx = await phone(made), await carrier(edge, trunk, phone, answer=180)
        assert await one.register() == 200

        assert ((await one.call(TO)).status, (await pbx.next_call()).status) == (480, 487)

        call = await ended(world, made)
        assert (call["direction"], call["trunk_id"]) == ("trunk_out", trunk["id"])
        assert (call["hangup_reason"], call["ended_by"], call["duration"]) == ("no_answer", "server", 0)


async def test_a_caller_who_gives_up_stops_the_ringing(world: World, phone: StartPhone) -> None:
    one, two = await world.create("1801"), await world.create("1802")
    caller, callee = await asyncio.gather(phone(one), phone(two, answer=180))
    assert [await caller.register(), await callee.register()] == [200, 200]
    call = asyncio.create_task(caller.call(f"sip:1802@{two['realm']}"))

    async def is_ringing() -> int:
        await asyncio.sleep(0)
        return callee.rang

    await until(is_ringing)
    await caller.hang_up()

    assert ((await call).status, (await callee.next_call()).status) == (487, 487)


@pytest.mark.parametrize("side", ["caller", "callee"])
async def test_whoever_hangs_up_ends_the_call_for_both(world: World, phone: StartPhone, side: str) -> None:
    one, two = await world.create(f"1803-{side}"), await world.create(f"1804-{side}")
    caller, callee = await asyncio.gather(phone(one), phone(two))
    assert [await caller.register(), await callee.register()] == [200, 200]
    call = asyncio.create_task(caller.call(f"sip:1804-{side}@{two['realm']}", talk=0.2 if side == "caller" else 30))

    if side == "callee":
        await callee.answered()
        await callee.hang_up()

    assert ((await call).status, (await callee.next_call()).status) == (200, 200)


async def test_two_customers_have_the_same_numbers_and_each_rings_its_own(world: World, phone: StartPhone) -> None:
    ours = [await world.create(number) for number in ("1805", "1806")]
    theirs = [await world.create(number, customer=world.other) for number in ("1805", "1806")]
    caller, callee, foreign = await asyncio.gather(phone(theirs[0]), phone(theirs[1]), phone(ours[1]))
    assert [await one.register() for one in (caller, callee, foreign)] == [200, 200, 200]

    for realm in (
        theirs[1]["realm"],
        ours[1]["realm"],
    ):  # whichever domain is called: it is the caller's own that counts
        assert (await caller.call(f"sip:1806@{realm}", talk=0.1)).status == 200
    assert (callee.rang, foreign.rang) == (2, 0)
