"""What others tell us: done once, tried again when it fails, and kept when it cannot be done."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from ringback.kit import inbox
from ringback.kit.db import Conflict, Row, Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.inbox import Inbox
from ringback.kit.uow import Work
from ringback.registrar.work import Uow
from tests.world import START, Broken, World

SHOP, PAID = "shop-manager", "order_paid"
ID = UUID("3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713")
DEEP = b"[" * 100_000 + b"]" * 100_000


def event(**envelope: Any) -> bytes:
    return msgspec.json.encode({"type": PAID, "publisher": SHOP, "data": {"id": str(ID)}, **envelope})


class Desk:
    """Follows `order_paid` of the shop over a real database; `failing` are the errors of its next tries."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.done: list[UUID] = []
        self.failing: list[Exception] = []
        self.slept: list[float] = []
        self.observed: list[tuple[str, str]] = []
        self.asleep: Callable[[], Awaitable[None]] = self.rest
        self.inbox = Inbox[Uow]({(SHOP, PAID): self.pay}, world.ringback.work, self.observe, sleep=self.sleep)

    async def pay(self, work: Work[Uow], id: UUID, at: datetime) -> None:
        if self.failing:
            raise self.failing.pop(0)
        self.done.append(id)

    def observe(self, publisher: str, type: str, milliseconds: float) -> None:
        self.observed.append((publisher, type))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self.asleep()

    async def rest(self) -> None:
        await asyncio.sleep(0)

    async def dead(self) -> list[Row]:
        return await self.world.ringback.work.read(lambda uow: inbox.dead(uow.session))

    async def kept(self) -> list[tuple[str, str]]:
        """(payload, error) of what was given up."""
        rows = await self.dead()
        assert {(row["publisher"], row["event_type"]) for row in rows} <= {(SHOP, PAID)}
        return [(row["payload"], row["error"]) for row in rows]


@pytest.fixture
async def desk(world: World) -> Desk:
    return Desk(world)


async def test_an_event_is_followed_once(desk: Desk) -> None:
    assert await desk.inbox.take(event())

    assert (desk.done, desk.slept, await desk.kept()) == ([ID], [], [])
    assert desk.observed == [(SHOP, PAID)]


@pytest.mark.parametrize(
    "data",
    [
        msgspec.json.encode({"id": str(ID)}).decode(),
        {"id": str(ID), "name": "x", "more": [{}], "customer_id": None},
        {"id": str(ID).upper()},
    ],
)
async def test_data_may_be_a_string_that_holds_json_and_may_say_more(desk: Desk, data: Any) -> None:
    assert await desk.inbox.take(event(data=data, colour="red"))

    assert desk.done == [ID]


async def test_the_answer_over_a_socket_tells_whether_it_was_done(desk: Desk) -> None:
    assert await desk.inbox.serve(event()) == b'{"done":true}'
    assert await desk.inbox.serve(event(type="order_sent")) == b'{"done":false}'


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\n", b"{", b"\xff", b"null", b"[]", b'"order_paid"', b"7", b"{}", DEEP,
        b'{"type":"order_paid"}', b'{"publisher":"shop-manager"}', b'{"type":7,"publisher":"shop-manager"}',
        b'{"type":"\\ud800","publisher":"shop-manager"}', event() + event(),
        b'{"type":"order_paid","publisher":"shop-manager","data":' + DEEP + b"}",
    ],
    ids=lambda body: body[:40],
)  # fmt: skip
async def test_what_is_no_envelope_is_let_go_and_counted(desk: Desk, body: bytes) -> None:
    assert not await desk.inbox.take(body)

    assert (desk.done, desk.slept, await desk.kept()) == ([], [], [])
    assert desk.observed == [("", "unreadable")]


@pytest.mark.parametrize(
    "other", [{"publisher": "other-manager"}, {"type": "order_sent"}, {"type": "", "publisher": ""}]
)
@pytest.mark.parametrize("data", [{"id": str(ID)}, {"id": 7}, None])
async def test_what_nobody_follows_is_let_go(desk: Desk, other: dict[str, str], data: Any) -> None:
    assert not await desk.inbox.take(event(data=data, **other))

    assert (desk.done, desk.slept, await desk.kept()) == ([], [], [])
    assert desk.observed == [("", "other")]


@pytest.mark.parametrize(
    "data",
    [
        b"{}", b"null", b"7", b"[]", b'""', b'"{"', b'"null"', b'"[\\"x\\"]"', b'{"id":null}', b'{"id":7}',
        b'{"id":["x"]}', b'{"id":""}', b'{"id":"nobody"}', b'{"ID":"3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"}',
        b'{"id":"00000000-0000-0000-0000-000000000000"}',
        b'"{\\"id\\":\\"00000000-0000-0000-0000-000000000000\\"}"',
        '{"id":"Ünknown"}'.encode(),
    ],
    ids=lambda data: data,
)  # fmt: skip
async def test_an_event_that_names_nobody_is_kept_and_not_tried(desk: Desk, data: bytes) -> None:
    body = b'{"type":"order_paid","publisher":"shop-manager","data":' + data + b"}"

    assert not await desk.inbox.take(body)

    assert (desk.done, desk.slept) == ([], [])
    assert await desk.kept() == [(data.decode(), "it names nobody")]
    assert desk.observed == [(SHOP, PAID)]


async def test_an_event_without_data_is_kept(desk: Desk) -> None:
    assert not await desk.inbox.take(b'{"type":"order_paid","publisher":"shop-manager"}')

    assert await desk.kept() == [("", "it names nobody")]


@pytest.mark.parametrize("data", [b'{"id":"\xff"}', b'"\xed\xa0\x80"'], ids=repr)
async def test_an_event_of_odd_bytes_is_kept_as_far_as_it_is_text(desk: Desk, data: bytes) -> None:
    assert not await desk.inbox.take(b'{"type":"order_paid","publisher":"shop-manager","data":' + data + b"}")

    ((payload, error),) = await desk.kept()
    assert "\ufffd" in payload
    assert error == "it names nobody"


async def test_what_fails_is_tried_again_after_5_30_and_120_s(desk: Desk) -> None:
    desk.failing = [DatabaseUnavailable(), Broken("once"), Conflict()]

    assert await desk.inbox.take(event())

    assert desk.slept == [5, 30, 120]
    assert (desk.done, await desk.kept()) == ([ID], [])


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DatabaseUnavailable(), "The database does not answer."),
        (Broken("SELECT secret FROM table"), "Broken"),
        (RecursionError("deep"), "RecursionError"),
    ],
)
async def test_after_the_fourth_failure_it_is_kept_with_the_reason(desk: Desk, error: Exception, told: str) -> None:
    desk.failing = [error] * 4

    assert not await desk.inbox.take(event())

    assert desk.slept == [5, 30, 120]
    assert desk.done == []
    (row,) = await desk.dead()
    assert row["tm_create"] == START + timedelta(seconds=2)
    assert await desk.kept() == [(f'{{"id":"{ID}"}}', told)]
    assert desk.observed == [(SHOP, PAID)]
    assert await desk.inbox.take(event()), "the next one is followed again"


@pytest.mark.parametrize("error", [DatabaseUnavailable(), Broken("disk")])
async def test_a_database_that_is_down_delays_the_keeping_and_loses_nothing(desk: Desk, error: Exception) -> None:
    desk.failing = [DatabaseUnavailable()] * 4

    def fail(statement: Statement) -> None:
        raise error

    async def comes_back() -> None:
        if len(desk.slept) > 9:
            desk.world.heal()

    desk.world.before_statement = fail
    desk.asleep = comes_back
    assert not await desk.inbox.take(event())

    assert desk.slept == [5, 30, 120, *[120] * 7]
    assert await desk.kept() == [(f'{{"id":"{ID}"}}', "The database does not answer.")]


async def test_events_about_one_are_followed_in_the_order_in_which_they_came(desk: Desk) -> None:
    followed: list[tuple[str, UUID]] = []

    def follow(type: str) -> Callable[[Work[Uow], UUID, datetime], Awaitable[None]]:
        async def note(work: Work[Uow], id: UUID, at: datetime) -> None:
            if type == PAID and desk.failing:
                raise desk.failing.pop(0)
            followed.append((type, id))

        return note

    on = {(SHOP, type): follow(type) for type in ("order_paid", "order_sent")}
    box = Inbox[Uow](on, desk.world.ringback.work, desk.observe, sleep=desk.sleep)
    desk.failing = [Broken(), Broken()]
    other = uuid4()
    later = [event(type="order_sent"), event(type="order_sent", data={"id": str(other)})]

    assert await asyncio.gather(*(box.take(body) for body in (event(), *later))) == [True] * 3

    assert followed == [("order_sent", other), ("order_paid", ID), ("order_sent", ID)]


@pytest.mark.contract("registrar R-68")
async def test_the_time_that_an_event_took_is_counted_by_publisher_and_type(world: World) -> None:
    await world.tell("customer_frozen")
    await world.tell("customer_frozen", publisher="stranger")
    await world.tell("agent_created")
    await world.tell("customer_frozen", data=7)
    await world.inbox.take(b"{")

    name = "registrar_manager_receive_subscribe_event_process_time_count"
    counted = {line.rpartition(" ")[::2] for line in world.metrics().splitlines() if line.startswith(name)}
    assert counted == {
        (f'{name}{{publisher="customer-manager",type="customer_frozen"}}', "2.0"),
        (f'{name}{{publisher="",type="other"}}', "2.0"),
        (f'{name}{{publisher="",type="unreadable"}}', "1.0"),
    }
