"""Events of the caller's customer as they happen: `/v1.0/events`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from ringback.api.live import MOST, MOST_WAITING, Live
from ringback.api.news import TYPES, WEBHOOKS
from ringback.kit.outbox import KEEP, LATEST
from tests.patience import ENOUGH
from tests.world import World

pytestmark = pytest.mark.long

ROOT = "/v1.0/events"
PAGE = Path(__file__).parents[2] / "docs/operate-the-registry.md"
CUSTOMER = {"name": "Acme", "email": "ops@acme.example"}


@dataclass
class Told:
    """One event of a stream."""

    id: int = 0
    type: str = ""
    data: Any = None


@dataclass
class Ear:
    """One end of a stream: what an EventSource makes of it."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    last: int = 0
    rest: bytes = b""

    async def block(self) -> list[str] | None:
        """The lines up to the next empty one; `None` at the end."""
        while b"\n\n" not in self.rest:
            async with asyncio.timeout(ENOUGH):
                part = await self.body.get()
            if part is None:
                return None
            self.rest += part
        block, _, self.rest = self.rest.partition(b"\n\n")
        return block.decode().split("\n")

    async def next(self) -> Told | None:
        """The next event, past whatever is none."""
        while (lines := await self.block()) is not None:
            fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
            self.last = int(fields.get("id", self.last))
            if "data" in fields:
                return Told(self.last, fields["event"], msgspec.json.decode(fields["data"]))
        return None

    async def short(self) -> tuple[int, str] | None:
        """Id and type of the next event."""
        told = await self.next()
        return (told.id, told.type) if told else None

    async def all(self) -> list[Told]:
        """Every event up to the end."""
        found = []
        while told := await self.next():
            found.append(told)
        return found


@asynccontextmanager
async def listening(
    world: World, key: str | None = None, query: str = "", after: int | None = None, *, takes: bool = True
) -> AsyncIterator[Ear]:
    """A stream as the server's own protocol would ask for it; one who does not take what comes may be waited for."""
    ear, gone, taken = Ear(), asyncio.Event(), asyncio.Event()
    headers = {"authorization": f"Bearer {key or await world.key(world.customer)}"}
    headers |= {} if after is None else {"last-event-id": str(after)}

    async def receive() -> dict[str, Any]:
        if not ear.status and not taken.is_set():
            taken.set()
            return {"type": "http.request", "body": b""}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            ear.status = message["status"]
            ear.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        if message.get("body"):
            ear.body.put_nowait(message["body"])
        if not message.get("more_body"):
            ear.body.put_nowait(None)
        if not takes:
            await gone.wait()

    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": ROOT, "raw_path": ROOT.encode(),
        "query_string": query.encode(), "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "scheme": "http", "server": ("ringback", 80), "root_path": "",
    }  # fmt: skip
    task = asyncio.create_task(world.ringback.gateway(scope, receive, send))
    while not ear.body.qsize() and not task.done():  # noqa: ASYNC110
        await asyncio.sleep(0)
    try:
        yield ear
    finally:
        gone.set()
        await task


def live_of(world: World) -> Live:
    live = world.ringback.gateway.live
    assert live
    return live


@pytest.fixture(autouse=True)
def quick(world: World) -> None:
    live = live_of(world)
    live.poll = live.check = 0.01


async def test_what_happens_is_told_as_it_happens(world: World) -> None:
    async with listening(world) as ear:
        made = await world.create("1001")
        told = await ear.next()

    assert (ear.status, ear.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert ear.headers["cache-control"] == "no-store"
    assert told
    assert told.type == "extension_created"
    assert told.data["data"]["id"] == made["id"]
    assert {name: told.data[name] for name in ("type", "publisher", "data_type")} == {
        "type": "extension_created",
        "publisher": "registrar-manager",
        "data_type": "application/json",
    }
    assert [told.data["data"]] == [data for _, data in world.events()]


async def test_a_customer_hears_of_their_own_and_the_operator_of_all_or_of_one(world: World) -> None:
    other = world.customer = uuid4()
    await world.create("2001")
    world.customer = uuid4()
    await world.create("1001")
    world.ringback.gateway.end_streams()
    heard = {}
    operator = await world.key(None)
    for name, key, query in (
        ("own", None, ""),
        ("all", operator, ""),
        ("one", operator, f"customer_id={other}"),
        ("typed", None, "types=trunk_created,extension_deleted"),
    ):
        async with listening(world, key, query, after=0) as ear:
            heard[name] = [told.data["data"].get("extension") for told in await ear.all()]

    assert heard == {"own": ["1001"], "all": ["2001", "1001"], "one": ["2001"], "typed": []}


async def test_customers_hear_what_becomes_of_themselves_and_of_no_other(world: World) -> None:
    async with await world.http(await world.key(None)) as operator:
        made = [(await operator.post("/v1.0/customers", json=CUSTOMER)).json()["id"] for _ in range(2)]
        own = made[0]
        for change in ("freeze", "recover"):
            assert (await operator.post(f"/v1.0/customers/{own}/{change}")).is_success
    async with await world.http(await world.key(UUID(own))) as http:
        assert (await http.patch("/v1.0/customer", json={"detail": "of the west"})).is_success
    world.ringback.gateway.end_streams()
    heard = {}
    for customer in map(UUID, made):
        async with listening(world, await world.key(customer), after=0) as ear:
            heard[str(customer)] = [(told.type, told.data["data"]["id"]) for told in await ear.all()]

    changes = ("created", "frozen", "recovered", "updated")
    assert heard == {own: [(f"customer_{one}", own) for one in changes], made[1]: [("customer_created", made[1])]}


async def test_a_type_that_no_event_has_is_refused_with_those_that_there_are(world: World) -> None:
    async with await world.http() as http:
        answer = await http.get(ROOT, params={"types": "extension_created,extension_craeted"})

    (detail,) = answer.json()["error"]["details"]
    assert (answer.status_code, detail["field"]) == (400, "types")
    assert {*detail["description"].rpartition(" of ")[2].split(", ")} == {*TYPES}


def test_each_type_that_is_only_of_the_registry_of_router_extensions_is_on_its_page() -> None:
    page = PAGE.read_text()

    assert [one for one in TYPES if one not in WEBHOOKS and f"| `{one}` |" not in page] == []


async def test_a_listener_who_comes_back_gets_what_it_missed_once_and_in_order(world: World) -> None:
    async with listening(world) as ear:
        await world.create("1001")
        assert await ear.next()
    for number in range(250):
        await world.create(str(2000 + number))
    async with listening(world, after=ear.last) as again:
        await world.create("3001")
        told = [await again.next() for _ in range(251)]

    numbers = [one.data["data"]["extension"] for one in told if one]
    assert numbers == [*map(str, range(2000, 2250)), "3001"]
    assert [one.id for one in told if one] == sorted({one.id for one in told if one})


def insert(world: World, *ids: int) -> None:
    """Events of the world's customer with these ids, of now."""
    for id in ids:
        world.sql(
            "INSERT INTO registrar_outbox (id, publisher, event_type, object_id, subscription_id, payload, tm_create)"
            " VALUES (?, 'test', 'told', ?, ?, ?, ?)",
            *(id, uuid4().bytes, uuid4().bytes, msgspec.json.encode({"customer_id": str(world.customer)}).decode()),
            world.now.strftime("%Y-%m-%d %H:%M:%S.%f"),
        )


async def looks(world: World, number: int) -> None:
    """Wait until the outbox was looked at so often."""
    world.statements.clear()
    while len(world.statements) < number:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_an_event_that_is_committed_after_its_successor_is_told_before_it(world: World) -> None:
    """Transactions side by side get their ids before they commit."""
    world.frozen = True
    insert(world, 1)
    async with listening(world, after=0) as ear:
        assert await ear.short() == (1, "told")
        insert(world, 3)
        await looks(world, 5)
        async with listening(world) as later:
            insert(world, 2)
            assert [await ear.short(), await ear.short()] == [(2, "told"), (3, "told")]
            assert await later.short() == (2, "told")

        insert(world, 6)
        await looks(world, 5)
        assert ear.body.empty()
        world.wait(LATEST.total_seconds())
        assert await ear.short() == (6, "told")


async def test_what_is_kept_no_more_is_told_by_a_reset(world: World) -> None:
    await world.create("1001")
    (first,) = world.sql("SELECT id FROM registrar_outbox")
    world.wait(KEEP / timedelta(seconds=1))
    for after in (first["id"], 999):
        last = world.sql("SELECT max(id) AS id FROM registrar_outbox")[0]["id"]
        async with listening(world, after=after) as ear:
            told = await ear.next()
            assert told
            assert (told.id, told.type, told.data["reason"]) == (last, "reset", "EVENTS_FORGOTTEN")
            made = await world.create(str(2000 + after))
            now = await ear.next()
            assert now
            assert now.data["data"]["id"] == made["id"]


@pytest.mark.parametrize("how", ["revoked", "frozen", "stopped"])
async def test_a_stream_ends_soon_with_the_key_the_customer_or_the_server(world: World, how: str) -> None:
    async with listening(world) as ear:
        if how == "revoked":
            world.sql("UPDATE registrar_accesskeys SET tm_revoke = tm_create")
        elif how == "frozen":
            await world.tell("customer_frozen")
        else:
            world.ringback.gateway.end_streams()
        assert [told.type for told in await ear.all()] == []


async def test_a_line_without_data_comes_now_and_then(world: World) -> None:
    live_of(world).beat = 0.01
    async with listening(world) as ear:
        blocks = [await ear.block() for _ in range(3)]

    assert blocks == [["retry: 2000", ": listening", "id: 0"], *[[": listening", "id: 0"]] * 2]


async def test_many_listeners_cost_one_look_at_the_database(world: World) -> None:
    live_of(world).check = 60.0
    key = await world.key(world.customer)
    async with AsyncExitStack() as stack:
        ears = [await stack.enter_async_context(listening(world, key)) for _ in range(20)]
        world.statements.clear()
        await world.create("1001")
        asked = len(world.statements)
        for ear in ears:
            assert await ear.next()
        looked = len(world.statements) - asked
    assert looked < 20
    for _ in range(3):
        await asyncio.sleep(0)
    world.statements.clear()
    for _ in range(100):
        await asyncio.sleep(0)
    assert world.statements == []


async def test_a_listener_who_does_not_take_what_comes_is_let_go(world: World) -> None:
    async with listening(world, takes=False) as slow, listening(world) as other:
        last = 0
        while last < MOST_WAITING + 500:
            with world.bulk():
                insert(world, *range(last + 1, last + 101))
            for _ in range(100):
                told = await other.next()
                assert told
                last = told.id
        assert slow.body.qsize() == 1
        assert live_of(world).hearing == 1


async def test_a_customer_has_so_many_listeners_and_others_theirs(world: World) -> None:
    key = await world.key(world.customer)
    async with AsyncExitStack() as stack:
        for _ in range(MOST):
            await stack.enter_async_context(listening(world, key))
        async with await world.http(key) as http:
            refused = await http.get(ROOT)
            assert (refused.status_code, refused.json()["error"]["reason"]) == (429, "TOO_MANY_LISTENERS")
        async with listening(world, await world.key(uuid4())) as other:
            assert other.status == 200


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ("?types=", {}, "types"),
        ("?types=A", {}, "types"),
        ("?since=1", {}, "since"),
        ("", {"last-event-id": "x"}, "Last-Event-ID"),
        ("", {"last-event-id": "-1"}, "Last-Event-ID"),
        ("", [("last-event-id", "1"), ("last-event-id", "2")], "Last-Event-ID"),
    ],
)
async def test_what_is_asked_wrongly_is_400(world: World, query: str, headers: Any, field: str) -> None:
    async with await world.http() as http:
        answer = await http.get(f"{ROOT}{query}", headers=headers)

    assert answer.status_code == 400
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == [field]


async def test_head_has_no_stream(http: httpx.AsyncClient) -> None:
    answer = await http.head(ROOT)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
