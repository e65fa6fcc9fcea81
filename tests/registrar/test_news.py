"""Events follow the truth, whatever the bus does."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

import pytest

from ringback.kit.events import Message
from tests.patience import ENOUGH
from tests.world import World


class Bus:
    """A bus that can be down, from a message on."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.down_from: int | None = None
        self.tried = asyncio.Event()
        self.full = asyncio.Event()
        self.wanted = 0

    async def publish(self, message: Message) -> None:
        self.tried.set()
        if self.down_from is not None and message.id >= self.down_from:
            raise ConnectionError("amqp://user:secret@broker is down")
        self.heard.append(message)
        if len(self.heard) == self.wanted:
            self.full.set()

    def subscribe(self, listener: Callable[[Message], None]) -> Callable[[], None]:
        raise NotImplementedError


def on(world: World) -> Bus:
    world.bus = bus = Bus()
    world.ringback.database.close()
    world.ringback = world.start()
    return bus


async def lives(world: World, number: str) -> list[str]:
    """An extension from create to delete; the types of its events in order."""
    made = await world.create(number, direct=True)
    uri = f"/v1/extensions/{made['id']}"
    await world.rpc("PUT", uri, {"name": "n", "direct_regenerate": True})
    await world.rpc("PUT", uri, {"direct": False})
    assert (await world.rpc("DELETE", uri)).status_code == 200
    return [
        *("extension_created", "extension_direct_created"),
        *("extension_direct_updated", "extension_updated"),
        *("extension_direct_deleted", "extension_updated"),
        "extension_deleted",
    ]


@pytest.mark.contract("registrar R-65")
async def test_a_bus_that_is_down_delays_events_and_fails_no_request(world: World) -> None:
    bus = on(world)
    bus.down_from = 1
    types = await lives(world, "1001")
    assert await lives(world, "1002") == types
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await world.ringback.relay.publish_waiting()
    assert [row["attempts"] for row in world.everything()["registrar_outbox"]] == [2, *[0] * 13]

    for down_from in (4, 9):
        bus.down_from = down_from
        with pytest.raises(ConnectionError):
            await world.ringback.relay.publish_waiting()
        assert sum(row["tm_publish"] is not None for row in world.everything()["registrar_outbox"]) == down_from - 1
    bus.down_from = None
    assert await world.ringback.relay.publish_waiting() == 14 - 8
    assert await world.ringback.relay.publish_waiting() == 0

    assert [message.id for message in bus.heard] == list(range(1, 15))
    per_object = defaultdict(list)
    for message in bus.heard:
        assert message.envelope().keys() == {"type", "publisher", "data_type", "data"}
        assert message.publisher == "registrar-manager"
        per_object[message.object_id].append(message.type)
    assert list(per_object.values()) == [types, types]


@pytest.mark.contract("registrar R-65")
async def test_the_relay_goes_on_by_itself_when_the_bus_is_back(world: World) -> None:
    bus = on(world)
    bus.down_from, bus.wanted = 1, 2
    await world.create("1001")
    relay = asyncio.create_task(world.ringback.relay.run())
    await bus.tried.wait()
    bus.down_from = None

    await world.create("1002")

    await asyncio.wait_for(bus.full.wait(), ENOUGH)
    relay.cancel()
    with suppress(asyncio.CancelledError):
        await relay
    numbers = {row["id"]: row["extension"] for row in world.sql("SELECT id, extension FROM registrar_extensions")}
    assert [numbers[message.object_id.bytes] for message in bus.heard] == ["1001", "1002"]


@pytest.mark.contract("registrar R-65")
async def test_a_long_queue_goes_out_in_order_a_hundred_at_a_time(world: World) -> None:
    bus = on(world)
    for number in range(51):
        await world.create(str(number), direct=True)

    assert [await world.ringback.relay.publish_waiting() for _ in range(3)] == [100, 2, 0]

    assert [message.id for message in bus.heard] == list(range(1, 103)), "a gap is waited for by those who read by id"


@pytest.mark.contract("registrar R-65")
async def test_published_events_are_kept_a_day(world: World) -> None:
    on(world)

    async def kept() -> list[int]:
        await world.ringback.relay.publish_waiting()
        await world.ringback.relay.prune()
        return [row["id"] for row in world.everything()["registrar_outbox"]]

    await world.create("1001")
    assert await kept() == [1]
    world.wait(23 * 3600)
    await world.create("1002")
    assert await kept() == [1, 2]
    world.wait(2 * 3600)
    assert await kept() == [2]
