"""Each publisher's events leave by a way of their own, whatever happens on the others."""

import asyncio
from contextlib import suppress
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import pytest

from ringback.kit.columns import NIL
from ringback.kit.errors import BrokerUnavailable
from ringback.kit.events import Event, Message
from ringback.kit.relay import Relay, Way, waves
from tests.patience import ENOUGH
from tests.world import World

ONE: Final = "registrar-manager"
OTHER: Final = "router-manager"


class Said(msgspec.Struct):
    number: int


class Bus:
    """A bus that takes everything, nothing, or lets everybody wait."""

    def __init__(self, *, is_down: bool = False, hangs: bool = False) -> None:
        self.heard: list[Message] = []
        self.is_down = is_down
        self.hangs = hangs
        self.tried = asyncio.Event()
        self.changed = asyncio.Event()

    async def publish(self, message: Message) -> None:
        self.tried.set()
        if self.hangs:
            await asyncio.Event().wait()
        if self.is_down:
            raise BrokerUnavailable
        self.heard.append(message)
        self.changed.set()

    async def has(self, count: int) -> None:
        async with asyncio.timeout(ENOUGH):
            while len(self.heard) < count:
                self.changed.clear()
                await self.changed.wait()

    def numbers(self) -> list[int]:
        return [message.data["number"] for message in self.heard]  # type: ignore[index]


async def tell(world: World, publisher: str, *numbers: int, about: UUID | None = None) -> None:
    """Events of a publisher, in one transaction."""

    async def verb(uow: Any) -> None:
        for number in numbers:
            id = about or uuid4()
            uow.emit(Event(publisher, "told", id, id, Said(number)))

    await world.ringback.work.write(verb)


def relay_of(world: World, **buses: Bus) -> Relay:
    return Relay(world.ringback.work, [Way(f"{name}-manager", bus, ignore) for name, bus in buses.items()], news(world))


def news(world: World) -> asyncio.Event:
    """What the world sets after a commit with events."""
    return world.ringback.relay.news


def ignore(type: str, taken: bool) -> None: ...


def waiting(world: World) -> list[tuple[str, int]]:
    """(publisher, attempts) of the events that wait."""
    rows = world.everything()["registrar_outbox"]
    return [(row["publisher"], row["attempts"]) for row in rows if row["tm_publish"] is None]


async def test_each_publisher_has_its_bus(world: World) -> None:
    registrar, router = Bus(), Bus()
    for number in range(3):
        await tell(world, ONE, number)
        await tell(world, OTHER, 10 + number)

    assert await relay_of(world, registrar=registrar, router=router).publish_waiting() == 6

    assert (registrar.numbers(), router.numbers()) == ([0, 1, 2], [10, 11, 12])
    assert waiting(world) == []


@pytest.mark.contract("registrar R-65")
@pytest.mark.parametrize("away", [ONE, OTHER])
async def test_a_bus_that_is_away_holds_up_no_events_of_others_however_many_wait_for_it(
    world: World, away: str
) -> None:
    buses = {ONE: Bus(is_down=away == ONE), OTHER: Bus(is_down=away == OTHER)}
    here = OTHER if away == ONE else ONE
    relay = relay_of(world, registrar=buses[ONE], router=buses[OTHER])
    await tell(world, away, *range(250))
    await tell(world, here, 1, 2, 3)

    with pytest.raises(BrokerUnavailable):
        await relay.publish_waiting()

    assert buses[here].numbers() == [1, 2, 3]
    assert {publisher for publisher, _ in waiting(world)} == {away}
    assert len(waiting(world)) == 250
    buses[away].is_down = False
    assert [await relay.publish_waiting() for _ in range(4)] == [100, 100, 50, 0]
    assert buses[away].numbers() == list(range(250))


@pytest.mark.contract("registrar R-65")
async def test_a_bus_that_does_not_answer_holds_up_no_events_of_others(world: World) -> None:
    registrar, router = Bus(), Bus(hangs=True)
    running = asyncio.create_task(relay_of(world, registrar=registrar, router=router).run())
    await tell(world, OTHER, 1)
    await router.tried.wait()

    for number in range(3):
        await tell(world, ONE, number)
        await registrar.has(number + 1)

    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert registrar.numbers() == [0, 1, 2]
    assert (OTHER, 0) in waiting(world)


async def test_events_of_a_publisher_without_a_way_wait_for_one(world: World) -> None:
    registrar, router = Bus(), Bus()
    await tell(world, OTHER, 1)

    assert await relay_of(world, registrar=registrar).publish_waiting() == 0
    assert waiting(world) == [(OTHER, 0)]
    assert await relay_of(world, registrar=registrar, router=router).publish_waiting() == 1
    assert router.numbers() == [1]


async def test_events_of_one_object_go_out_one_after_the_other(world: World) -> None:
    at_once: list[int] = []

    class Slow(Bus):
        async def publish(self, message: Message) -> None:
            at_once.append(message.data["number"])  # type: ignore[index]
            await asyncio.sleep(0)
            await super().publish(message)
            at_once.remove(message.data["number"])  # type: ignore[index]
            assert not {1, 2} <= set(at_once)

    bus = Slow()
    await tell(world, OTHER, 1, 2, about=uuid4())
    await tell(world, OTHER, 3)

    assert await relay_of(world, router=bus).publish_waiting() == 3
    assert bus.numbers() == [1, 2, 3]


async def test_an_event_about_no_single_object_comes_behind_all_before_it_whatever_becomes_of_them(
    world: World,
) -> None:
    class Choosy(Bus):
        async def publish(self, message: Message) -> None:
            if self.is_down and message.data["number"] == 2:  # type: ignore[index]
                raise BrokerUnavailable
            self.heard.append(message)

    bus = Choosy(is_down=True)
    await tell(world, OTHER, 1, 2)
    await tell(world, OTHER, 3, about=NIL)
    await tell(world, OTHER, 4)
    relay = relay_of(world, router=bus)

    with pytest.raises(BrokerUnavailable):
        await relay.publish_waiting()
    assert bus.numbers() == [1]
    bus.is_down = False
    await relay.publish_waiting()

    assert bus.numbers() == [1, 2, 3, 4]
    assert [len(wave) for wave in waves(bus.heard)] == [2, 1, 1]


async def test_the_events_of_a_burst_gather_and_leave_together(world: World) -> None:
    registrar = Bus()
    relay = Relay(world.ringback.work, [Way(ONE, registrar, ignore)], news(world), gathering=3600)
    await tell(world, ONE, 0)
    running = asyncio.create_task(relay.run())
    await registrar.has(1)

    for number in range(1, 30):
        await tell(world, ONE, number)
        relay.news.set()
        await asyncio.sleep(0)

    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert registrar.numbers() == [0]
    await relay.publish_waiting()
    assert registrar.numbers()[-29:] == [*range(1, 30)]  # before them the first again, if it was not marked yet
