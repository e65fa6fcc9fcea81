"""Reading the events as they come, also those of transactions that commit after their successors."""

from uuid import uuid4

from ringback.kit.outbox import LATEST, Reading
from tests.world import World


def insert(world: World, *ids: int) -> None:
    for id in ids:
        world.sql(
            "INSERT INTO registrar_outbox (id, publisher, event_type, object_id, subscription_id, payload, tm_create)"
            " VALUES (?, 'test', 'told', ?, ?, '{}', '2026-02-11 09:30:00.000000')",
            *(id, uuid4().bytes, uuid4().bytes),
        )


async def read(world: World, reading: Reading) -> list[int]:
    return [message.id for message in await world.ringback.work.read(reading.more)]


async def test_each_event_is_given_once_in_order(world: World) -> None:
    reading = Reading()
    insert(world, *range(1, 151))

    assert await read(world, reading) == list(range(1, 101))
    assert await read(world, reading) == list(range(101, 151))
    assert await read(world, reading) == []


async def test_one_that_commits_late_is_given_when_it_comes(world: World) -> None:
    reading = Reading(10)
    insert(world, 9, 12, 15)

    assert await read(world, reading) == [12, 15]
    insert(world, 13, 16)
    assert await read(world, reading) == [13, 16]
    insert(world, 11, 14)
    assert await read(world, reading) == [11, 14]
    assert await read(world, reading) == []


async def test_a_gap_that_nothing_fills_is_forgotten(world: World) -> None:
    reading = Reading(10)
    insert(world, 12)
    assert await read(world, reading) == [12]

    world.wait(LATEST.total_seconds())
    insert(world, 11)

    assert await read(world, reading) == []


async def test_what_was_forgotten_before_the_first_one_is_no_gap(world: World) -> None:
    reading = Reading()
    insert(world, 1_000_000_000)

    assert await read(world, reading) == [1_000_000_000]
