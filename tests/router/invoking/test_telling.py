"""What a node tells of calls, beside them."""

import asyncio
from typing import Any

import pytest

from ringback.kit.errors import BrokerUnavailable
from ringback.kit.events import Message
from ringback.router.extensions.registry import Registry
from ringback.router.invoking.circuits import Circuits
from ringback.router.invoking.telling import MOST, Telling
from ringback.transports.nats.publishing import body_of
from tests.router.invoking.edges import WHEN, Clock, record


class Heard:
    """A bus that takes something or nothing, and knows when so many were given to it."""

    def __init__(self, takes: bool, most: int) -> None:
        self.takes = takes
        self.most = most
        self.given: list[Message] = []
        self.is_all = asyncio.Event()

    async def publish(self, message: Message) -> None:
        self.given.append(message)
        if len(self.given) == self.most:
            self.is_all.set()
        if not self.takes:
            raise BrokerUnavailable


async def told(telling: Telling, bus: Heard) -> None:
    """Let it tell until all is told."""
    running = asyncio.create_task(telling.run())
    await bus.is_all.wait()
    running.cancel()
    await asyncio.wait([running])


@pytest.mark.contract("router R-8e")
async def test_every_transition_of_a_breaker_is_told_with_its_reason() -> None:
    clock, bus = Clock(), Heard(True, 6)
    registry = Registry("node0", Circuits(clock=clock, random=lambda: 0.5))
    telling = Telling(registry, bus, lambda: WHEN)
    breaker = registry.circuits.of(record()).breaker

    def attempt(succeeded: bool) -> None:
        turn = breaker.admit(clock.now + 1)
        assert turn is not None
        breaker.ended(turn, succeeded)

    for _ in range(5):
        attempt(False)
    clock.now += 60
    attempt(False)
    clock.now += 60
    attempt(True)
    attempt(True)
    registry.circuits.of(record(revision=2, breaker_override="open"))
    await told(telling, bus)

    bodies = [body_of(message) for message in bus.given]
    assert {body["type"] for body in bodies} == {"circuit_state_updated"}
    assert [(body["data"]["id"], body["data"]["state"], body["data"]["reason"]) for body in bodies] == [
        ("upper", "open", "consecutive"), ("upper", "half_open", "consecutive"), ("upper", "open", "half_open_failure"),
        ("upper", "half_open", "half_open_failure"), ("upper", "closed", "half_open_failure"),
        ("upper", "open", "forced"),
    ]  # fmt: skip
    assert registry.circuits.by_id["upper"].tally.opened == {
        "consecutive": 1, "rate": 0, "half_open_failure": 1, "forced": 1,
    }  # fmt: skip
    ids = {body["event_id"] for body in bodies}
    assert (len(ids), max(ids) < 1 << 53) == (6, True), "JavaScript reads no greater ones as they are"
    first: dict[str, Any] = bodies[0]
    assert (first["registry_revision"], first["node"], first["at"]) == (0, "node0", "2026-01-05T10:00:00.000000Z")


async def test_what_nobody_hears_is_lost_and_holds_nothing_up() -> None:
    bus = Heard(False, MOST)
    registry = Registry("node0")
    telling = Telling(registry, bus, lambda: WHEN)
    for number in range(MOST + 10):
        telling.health(f"x{number}", {})

    await told(telling, bus)

    assert len(bus.given) == MOST
    assert bus.given[-1].data["data"]["id"] == f"x{MOST - 1}"  # type: ignore[index]
