"""A word of Asterisk is enough to look at a phone; what has changed is told once, and a refresh costs no write."""

import asyncio
from typing import Any

import pytest

from ringback.registrar.contacts import store
from ringback.sip.ami import Message
from tests.registrar.test_contact_events import EXPIRED, REGISTERED, refresh, seen, told, unregistered, writes
from tests.registrar.test_list import insert
from tests.world import World


def proven(endpoint_id: str) -> Message:
    """What Asterisk says of a phone that has proven its password, before it writes where the phone is."""
    return {"Event": "SuccessfulAuth", "Service": "PJSIP", "AccountID": endpoint_id}


async def later(world: World, seconds: float) -> list[tuple[str, str]]:
    """What is told of what is due then."""
    before = len(world.events())
    world.ticks += seconds
    await world.ringback.asterisks.live.once()
    return told(world, before)


async def spoken_of(world: World) -> Any:
    """A phone that Asterisk has just spoken of."""
    made = await world.create()
    await later(world, 60)
    world.ringback.asterisks.hear(proven(made["endpoint_id"]))
    return made


@pytest.mark.contract("registrar R-51")
async def test_a_contact_that_comes_after_the_word_of_it_is_told_at_the_next_look(world: World) -> None:
    made = await spoken_of(world)
    assert await later(world, 0.05) == []

    world.register(made["endpoint_id"])
    assert await later(world, 0.04) == []
    assert await later(world, 0.06) == [REGISTERED]
    assert await later(world, 0.2) == []


@pytest.mark.contract("registrar R-51")
async def test_a_registration_elsewhere_that_replaces_another_is_told_as_both(world: World) -> None:
    made = await spoken_of(world)
    first = world.register(made["endpoint_id"])
    assert await later(world, 0.1) == [REGISTERED]
    world.ringback.asterisks.hear(proven(made["endpoint_id"]))
    world.sql("DELETE FROM ps_contacts WHERE id = ?", first)
    world.register(made["endpoint_id"])

    assert sorted(await later(world, 0.1)) == [REGISTERED, unregistered("removed")]


async def test_a_refresh_is_read_a_few_times_and_never_written(world: World) -> None:
    made = await spoken_of(world)
    id = world.register(made["endpoint_id"])
    assert await later(world, 0.1) == [REGISTERED]
    refresh(world, id, expires_in=3600)
    world.ringback.asterisks.hear(proven(made["endpoint_id"]))
    world.statements.clear()

    for seconds in (0.1, 0.5, 2.1):
        assert await later(world, seconds) == []

    assert (writes(world), len(world.statements) > 6) == ([], True)
    world.statements.clear()
    assert await later(world, 5) == []
    assert len(world.statements) == 1  # has any contact expired?


@pytest.mark.long
async def test_two_thousand_refreshes_at_once_are_read_some_hundreds_at_a_time_and_never_written(world: World) -> None:
    names = [f"{number}@r.registrar.localhost" for number in range(2000)]
    with world.bulk():
        for number, name in enumerate(names):
            insert(world, number, number)
            world.register(name, id=f"{number:04}")
    await world.ringback.feed.once()
    world.ground.analyze()
    for name in names:
        world.ringback.asterisks.hear(proven(name))
    world.sql("UPDATE ps_contacts SET expiration_time = expiration_time + 3600")
    world.statements.clear()

    for seconds in (0.1, 0.5, 2.1):
        assert await later(world, seconds) == []

    assert (writes(world), len(world.statements) < 50) == ([], True)


@pytest.mark.long
async def test_more_refreshed_contacts_than_one_read_gives_are_noted_one_after_another(world: World) -> None:
    world.frozen = True
    with world.bulk():
        for number in range(700):
            insert(world, number, number)
            world.register(f"{number}@r.registrar.localhost", id=f"{number:04}", expires_in=60, via_port=number)
    await world.ringback.feed.once()
    world.wait(100)
    world.sql("UPDATE ps_contacts SET expiration_time = expiration_time + 3600 + via_port")
    world.statements.clear()

    assert await later(world, 1) == []
    assert await later(world, 0) == []

    assert writes(world) == [store.LONGER["64"]] * 11 + [store.LONGER["8"]]
    then = {row["id"]: row["expiration_time"] for row in world.everything()["ps_contacts"]}
    assert {row["id"]: row["expiration_time"] for row in seen(world)} == then


@pytest.mark.contract("registrar R-51")
async def test_contacts_expire_without_a_word_and_those_that_were_refreshed_do_not(world: World) -> None:
    made = await spoken_of(world)
    silent = world.register(made["endpoint_id"], expires_in=100)
    alive = world.register(made["endpoint_id"], expires_in=100)
    assert await later(world, 0.1) == [REGISTERED, REGISTERED]
    assert await later(world, 1) == []
    world.wait(50)
    refresh(world, alive, expires_in=600)
    world.wait(60)

    assert await later(world, 1) == [EXPIRED]
    assert [row["id"] for row in seen(world)] == [alive] != [silent]
    world.statements.clear()
    assert await later(world, 1) == []
    assert writes(world) == []


async def test_what_two_instances_hear_is_told_once(world: World) -> None:
    made = await spoken_of(world)
    other = world.start()
    other.asterisks.hear(proven(made["endpoint_id"]))
    world.register(made["endpoint_id"])
    world.ticks += 0.1

    await asyncio.gather(world.ringback.asterisks.live.once(), other.asterisks.live.once())

    assert told(world) == [REGISTERED]
    assert len(world.everything()["registrar_contact_history"]) == 1


async def test_names_that_no_phone_of_ours_can_have_are_not_looked_at(world: World) -> None:
    await later(world, 60)
    world.statements.clear()
    for name in ("", "1001", "1001@elsewhere.example", "'; DROP TABLE ps_contacts; --"):
        world.ringback.asterisks.hear(proven(name))

    assert await later(world, 0.1) == []
    assert world.statements == []


async def test_a_name_that_nobody_has_is_no_news(world: World) -> None:
    await world.create()
    name = f"nobody@x.{world.settings.domain_name_extension}"
    world.register(name)
    world.ringback.asterisks.hear(proven(name))

    assert await later(world, 0.1) == []


async def test_what_was_missed_while_nobody_told_us_is_found_by_one_look_at_all(world: World) -> None:
    made = await world.create()
    await later(world, 60)
    world.register(made["endpoint_id"])
    assert await later(world, 1) == []

    world.ringback.asterisks.live.miss()
    assert await later(world, 0) == [REGISTERED]
    world.statements.clear()
    assert await later(world, 0) == []
    assert world.statements == []


async def test_what_was_missed_of_another_asterisk_during_that_look_is_found_by_one_more(world: World) -> None:
    made = await world.create()
    await later(world, 60)
    live = world.ringback.asterisks.live
    world.register(made["endpoint_id"])
    live.miss()
    looking = asyncio.create_task(live.once())
    await asyncio.sleep(0)
    live.miss()
    await looking
    world.register(made["endpoint_id"])

    assert await later(world, 0) == [REGISTERED]


async def test_a_phone_that_is_spoken_of_without_end_is_looked_at_all_the_same(world: World) -> None:
    made = await spoken_of(world)
    world.register(made["endpoint_id"])

    found = []
    for _ in range(3):
        found += await later(world, 0.06)
        world.ringback.asterisks.hear(proven(made["endpoint_id"]))
    assert found == [REGISTERED]


async def test_whom_asterisk_refused_is_known_of_the_phone(world: World) -> None:
    made = await world.create()
    refused = {
        "Event": "ChallengeResponseFailed",
        "Service": "PJSIP",
        "AccountID": made["endpoint_id"],
        "RemoteAddress": "IPV4/UDP/192.0.2.9/5060",
        "SystemName": "ast-1",
    }
    world.ringback.asterisks.hear(refused)

    (found,) = world.ringback.memory.sip_refusals.of(made["endpoint_id"])
    assert (found.reason, found.address, found.server) == ("wrong_password", "192.0.2.9:5060", "ast-1")
