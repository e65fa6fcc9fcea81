"""Requests and who answers them: the same manners in one process and over NATS."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import pytest

from ringback.kit.bus import Bus, Letter, NoResponders, Serve, Services, TooLarge, TooLate
from ringback.transports.memory import MemoryServices
from tests.patience import ENOUGH
from tests.servers.nats import Nats
from tests.transports.links import linked

SOON: Final = 0.02
"""Seconds after which a test gives up on purpose."""


@dataclass
class World:
    """Who asks, and two processes with services."""

    bus: Bus
    one: Services
    other: Services

    async def ask(self, body: bytes = b"", seconds: float = ENOUGH, subject: str = "a.b", **headers: str) -> Letter:
        return await self.bus.request(subject, Letter(body, headers), seconds)


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.process)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "memory":
        memory = MemoryServices()
        yield World(memory, memory, memory)
        return
    nats: Nats = request.getfixturevalue("nats")
    async with linked(nats) as asking, linked(nats) as one, linked(nats) as other:
        yield World(asking.bus(), one.services(), other.services())


async def echo(letter: Letter) -> Letter:
    return letter


async def nothing(letter: Letter) -> Letter:
    return Letter(b"")


class Slow:
    """Answers when it is told to; has `begun` when it was asked so often."""

    def __init__(self, times: int = 1) -> None:
        self.asked = 0
        self.times = times
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.done = 0

    async def __call__(self, letter: Letter) -> Letter:
        self.asked += 1
        if self.asked == self.times:
            self.begun.set()
        await self.go.wait()
        self.done += 1
        return letter


# ---- asking -----------------------------------------------------------------------------------------------------


async def test_a_reply_has_the_body_and_the_headers_that_the_service_gave(world: World) -> None:
    seen: list[Letter] = []

    async def serve(letter: Letter) -> Letter:
        seen.append(letter)
        return Letter(b'{"b":2}', {"X-Reply": "yes", "x-lower": "ö"})

    await world.one.serve("some", "a.b", serve)

    reply = await world.bus.request("a.b", Letter(b'{"a":1}', {"Ringback-Attempt": "1", "traceparent": "00-1"}), ENOUGH)

    assert (reply.body, dict(reply.headers)) == (b'{"b":2}', {"X-Reply": "yes", "x-lower": "ö"})
    assert [(one.body, dict(one.headers)) for one in seen] == [
        (b'{"a":1}', {"Ringback-Attempt": "1", "traceparent": "00-1"})
    ]


async def test_letters_may_be_empty_and_without_headers(world: World) -> None:
    await world.one.serve("some", "a.b", echo)

    reply = await world.ask()

    assert (reply.body, dict(reply.headers)) == (b"", {})


async def test_that_nobody_serves_a_subject_is_known_at_once(world: World) -> None:
    await world.one.serve("some", "a.b", echo)

    with pytest.raises(NoResponders):
        await world.ask(subject="a.c")


async def test_a_reply_that_does_not_come_in_time_is_not_awaited_and_harms_nobody_when_it_comes(world: World) -> None:
    slow = Slow()
    await world.one.serve("slow", "a.slow", slow)
    await world.one.serve("some", "a.b", echo)

    with pytest.raises(TooLate):
        await world.ask(b"late", SOON, "a.slow")
    await asyncio.wait_for(slow.begun.wait(), ENOUGH)
    slow.go.set()

    assert (await world.ask(b"next", subject="a.slow")).body == b"next"
    assert (await world.ask(b"other")).body == b"other"
    assert slow.done == 2


async def test_whoever_is_cancelled_asks_no_longer_and_the_bus_goes_on(world: World) -> None:
    slow = Slow()
    await world.one.serve("slow", "a.b", slow)
    asking = asyncio.create_task(world.ask(b"first"))
    await asyncio.wait_for(slow.begun.wait(), ENOUGH)

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    slow.go.set()

    assert (await world.ask(b"second")).body == b"second"


async def test_many_ask_at_the_same_time_and_each_gets_its_own_reply(world: World) -> None:
    slow = Slow(64)
    await world.one.serve("slow", "a.b", slow)
    asking = [asyncio.create_task(world.ask(b"%d" % number)) for number in range(64)]
    await asyncio.wait_for(slow.begun.wait(), ENOUGH)

    slow.go.set()

    assert [reply.body for reply in await asyncio.gather(*asking)] == [b"%d" % number for number in range(64)]


@pytest.mark.contract("router R-9f, S-1")
async def test_a_request_of_one_mebibyte_goes_and_one_byte_more_does_not(world: World) -> None:
    slow = Slow()
    slow.go.set()
    await world.one.serve("some", "a.b", slow)
    assert world.bus.largest == 1024 * 1024

    assert len((await world.ask(b"x" * world.bus.largest)).body) == world.bus.largest
    with pytest.raises(TooLarge):
        await world.ask(b"x" * (world.bus.largest + 1))

    assert slow.asked == 1


# ---- answering --------------------------------------------------------------------------------------------------


async def test_what_a_service_raises_is_an_error_reply_without_its_words(
    world: World, logged: Callable[[], str]
) -> None:
    async def serve(letter: Letter) -> Letter:
        raise ValueError("planted")

    await world.one.serve("some", "a.b", serve)

    reply = await world.ask()

    assert reply.headers["Nats-Service-Error-Code"] == "500"
    assert (reply.body, reply.headers["Nats-Service-Error"]) == (b"", "the service failed")
    assert "ValueError" in logged()
    assert "planted" not in logged()


@pytest.mark.contract("router R-9f")
async def test_a_reply_that_is_too_large_is_an_error_reply(world: World) -> None:
    async def serve(letter: Letter) -> Letter:
        return Letter(b"x" * (world.bus.largest + 1))

    await world.one.serve("some", "a.b", serve)

    reply = await world.ask()

    assert (reply.body, reply.headers["Nats-Service-Error"]) == (b"", "the reply is too large")


@pytest.mark.contract("router F-26")
async def test_of_those_who_share_a_queue_group_one_does_the_work(world: World) -> None:
    counts: Counter[str] = Counter()

    def counting(name: str) -> Serve:
        async def serve(letter: Letter) -> Letter:
            counts[name] += 1
            return Letter(name.encode())

        return serve

    for services, name in ((world.one, "one"), (world.other, "other")):
        await services.serve("some", "a.b", counting(name))

    replies = Counter([(await world.ask()).body.decode() for _ in range(100)])

    assert replies == counts
    assert counts.total() == 100
    assert counts.keys() == {"one", "other"}


async def test_groups_of_different_names_all_hear_a_request_and_the_first_reply_counts(world: World) -> None:
    slow = Slow()
    await world.one.serve("some", "a.b", echo)
    await world.other.serve("slow", "a.b", slow, queue="slow")

    assert (await world.ask(b"x")).body == b"x"

    await asyncio.wait_for(slow.begun.wait(), ENOUGH)
    slow.go.set()


async def test_who_stops_answers_what_is_in_hand_and_is_asked_no_more(world: World) -> None:
    slow = Slow(3)
    stop = await world.one.serve("slow", "a.b", slow)
    asking = [asyncio.create_task(world.ask(b"%d" % number)) for number in range(3)]
    await asyncio.wait_for(slow.begun.wait(), ENOUGH)

    stopping = asyncio.ensure_future(stop())
    async with asyncio.timeout(ENOUGH):
        while True:
            try:
                await world.ask(seconds=SOON)
            except NoResponders:
                break
            except TooLate:
                pass
    assert not stopping.done()
    slow.go.set()

    assert [reply.body for reply in await asyncio.gather(*asking)] == [b"0", b"1", b"2"]
    await stopping
    await stop()


async def test_who_has_stopped_may_serve_again_and_others_of_the_group_go_on(world: World) -> None:
    stop = await world.one.serve("some", "a.b", echo)
    stop_other = await world.other.serve("some", "a.b", nothing)
    await stop()
    assert [(await world.ask(b"x")).body for _ in range(4)] == [b""] * 4

    await stop_other()
    with pytest.raises(NoResponders):
        await world.ask()
    await world.one.serve("some", "a.b", echo)

    assert (await world.ask(b"x")).body == b"x"


async def test_one_of_a_group_stops_while_many_ask_and_nobody_waits_in_vain(world: World) -> None:
    await world.one.serve("some", "a.b", echo)
    stop = await world.other.serve("some", "a.b", echo)
    asking = [asyncio.create_task(world.ask(b"%d" % number)) for number in range(500)]
    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)

    stopping = asyncio.ensure_future(stop())
    asking += [asyncio.create_task(world.ask(b"%d" % number)) for number in range(500, 1000)]

    assert [reply.body for reply in await asyncio.gather(*asking)] == [b"%d" % number for number in range(1000)]
    await stopping


async def test_a_line_end_in_a_header_ends_neither_the_header_nor_the_letter(world: World) -> None:
    await world.one.serve("some", "a.b", echo)

    reply = await world.bus.request("a.b", Letter(b"x", {"One": "a\r\nOther: b", "Two": "ö\ud800"}), ENOUGH)

    assert reply.body == b"x"
    assert reply.headers.keys() == {"One", "Two"}
