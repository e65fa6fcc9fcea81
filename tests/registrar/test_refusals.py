"""Whom an Asterisk has refused every instance knows for an hour: phones that there are, a few in each write."""

from datetime import timedelta

import pytest

from ringback.registrar.refusals import keeping
from ringback.sip.ami import Message
from ringback.sip.ami_events import Refusal
from tests.world import World


def refused(world: World, account: str, host: str = "192.0.2.9", event: str = "ChallengeResponseFailed") -> Message:
    return {
        "Event": event,
        "Service": "PJSIP",
        "AccountID": account,
        "RemoteAddress": f"IPV4/UDP/{host}/5060",
        "SystemName": "ast-1",
        "EventTV": world.now.strftime("%Y-%m-%dT%H:%M:%S.%f%z"),
    }


async def known(world: World, endpoint_id: str) -> list[tuple[str, str]]:
    """To this instance: reason and address."""
    found = await world.ringback.work.read(lambda uow: keeping.of(uow, endpoint_id))
    return [(one.reason, one.address.partition(":")[0]) for one in found]


def rows(world: World) -> list[str]:
    return [row["endpoint_id"] for row in world.sql("SELECT endpoint_id FROM registrar_refusals ORDER BY endpoint_id")]


async def told(world: World, *messages: Message) -> None:
    for message in messages:
        world.ringback.asterisks.hear(message)
    await world.ringback.asterisks.keeping.once()


@pytest.mark.contract("registrar R-88")
async def test_another_instance_knows_what_one_has_heard_and_adds_its_own(world: World) -> None:
    made = (await world.create())["endpoint_id"]
    await told(world, first := refused(world, made))
    before = world.everything()

    world.ringback = world.start()
    assert await known(world, made) == [("wrong_password", "192.0.2.9")]
    await told(world, first)
    assert world.everything() == before, "both have heard the same"

    world.wait(1)
    await told(world, refused(world, made, "192.0.2.10", "InvalidAccountID"))
    world.ringback = world.start()
    assert await known(world, made) == [("wrong_password", "192.0.2.9"), ("unknown_account", "192.0.2.10")]


async def test_names_that_are_nobodys_are_not_kept(world: World) -> None:
    made = (await world.create())["endpoint_id"]
    await told(world, refused(world, made.replace("1001", "1002")), refused(world, "admin@elsewhere.example"))

    assert rows(world) == []


async def test_however_many_are_refused_a_few_are_written_at_a_time_and_none_is_left_out(world: World) -> None:
    made = [(await world.create(str(number)))["endpoint_id"] for number in range(2000, 2052)]
    await told(world, *[refused(world, one) for one in made for _ in range(30)])
    assert len(rows(world)) == 50

    await world.ringback.asterisks.keeping.once()
    assert rows(world) == sorted(made)
    before = world.everything()
    await world.ringback.asterisks.keeping.once()
    assert world.everything() == before
    assert len(await known(world, made[0])) <= 20


async def test_what_cannot_be_written_is_written_later(world: World) -> None:
    made = (await world.create())["endpoint_id"]
    world.ringback.asterisks.hear(refused(world, made))
    world.refuse("INSERT", "registrar_refusals", "1 = 1")
    with pytest.raises(Exception):  # noqa: B017, PT011
        await world.ringback.asterisks.keeping.once()
    world.allow()

    await world.ringback.asterisks.keeping.once()

    assert rows(world) == [made]


async def test_they_are_forgotten_after_an_hour(world: World) -> None:
    one, other = [(await world.create(number))["endpoint_id"] for number in ("1001", "1002")]
    await told(world, refused(world, one))
    world.wait(timedelta(minutes=59).total_seconds())
    await told(world, refused(world, other))
    assert rows(world) == [one, other]

    world.wait(61)
    await world.ringback.asterisks.keeping.once()

    assert rows(world) == [other]


def test_what_waits_to_be_written_is_bounded(world: World) -> None:
    heard = type(world.ringback.memory.sip_refusals)(lambda name: True, phones=3)
    for number in range(10):
        heard.note(f"{number}", Refusal(world.now, "wrong_password", "", "", ""))

    assert heard.fresh(2) == ["0", "1"]
    assert heard.fresh(9) == ["2"]
