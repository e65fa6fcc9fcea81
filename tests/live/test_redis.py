"""Redis shared with other instances and with VoIPbin's Go service, which a plain client plays."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
import redis

from ringback.demo.server import Server as Up
from ringback.kit.cache import Cache
from ringback.registrar.work import Seen, registrar_work
from ringback.sip import asterisk
from ringback.transports.redis.address import Address
from ringback.transports.redis.keys import OthersKeys
from ringback.transports.redis.server import PATIENCE
from ringback.transports.redis.store import RedisStore
from tests.changes import remembered, story
from tests.patience import ENOUGH
from tests.servers.redis import Redis
from tests.world import PASSWORD, MakeWorld, World

pytestmark = pytest.mark.process

GO = ("registrar:*", "ast_*")
"""What the Go service's keys look like."""
MISS = f"/v1/extensions/by-direct-hash/{'0' * 12}?source=192.0.2.1"


class Go:
    """The Go service, as far as Redis sees it: it writes what it has read, and believes it for a day."""

    def __init__(self, client: "redis.Redis") -> None:
        self.client = client

    def remember(self, known: dict[str, str]) -> None:
        with self.client.pipeline() as pipeline:
            for key, value in known.items():
                pipeline.set(key, value, ex=86400)
            pipeline.execute()

    def held(self) -> dict[str, str]:
        keys = [key for pattern in GO for key in cast("list[bytes]", self.client.keys(pattern))]
        return {key.decode(): str(self.client.get(key), "utf-8") for key in keys}  # type: ignore[arg-type]

    def stale(self, world: World) -> set[str]:
        """Keys that hold what is not so any more."""
        now = remembered(world)
        return {key for key, value in self.held().items() if value != now.get(key)}


@contextmanager
def monitored(server: Redis, database: int) -> Iterator[list[str]]:
    """Every command that others send to that database, meanwhile."""
    seen: list[str] = []
    end = f"end-{uuid4()}"
    with server.client(database) as client, client.monitor() as monitor:

        def listen() -> None:
            for said in monitor.listen():
                if end in said["command"]:
                    return
                if said["db"] == database:
                    seen.append(f"{said['client_port']} {said['command']}")

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield seen
        finally:
            with server.client(database) as other:
                other.echo(end)
            thread.join()


async def until(holds: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(ENOUGH):
        while not await holds():
            pass


def patient(world: World) -> World:
    """Let its deletions take as long as they need on a busy machine."""
    cast(OthersKeys, world.ringback.memory.keys).redis.patience = ENOUGH
    return world


@pytest.fixture
async def make_shared(
    make_world: MakeWorld, redis_server: Redis, redis_database: int
) -> AsyncIterator[Callable[..., World]]:
    """Worlds on the test's own Redis database; each one after the first is another instance on the first one's file."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        settings = {"redis_address": redis_server.url(redis_database), **settings}
        if made:
            settings["database"] = made[0].settings.database_file
        made.append(make_world(**settings))
        made[-1].customer = made[0].customer
        return made[-1]

    yield make
    for world in made:
        await world.ringback.aclose()


@pytest.fixture
def go(redis_server: Redis, redis_database: int) -> Iterator[Go]:
    with redis_server.client(redis_database) as client:
        yield Go(client)


# ---- the Go service's keys


@pytest.mark.contract("registrar R-69")
async def test_no_key_of_the_go_service_holds_old_data_when_a_change_is_answered(
    make_shared: Callable[..., World], go: Go
) -> None:
    world = patient(make_shared())
    for name, step in await story(world, lambda: go.remember(remembered(world))):
        await step()
        assert go.stale(world) == set(), name
    assert remembered(world) == {}
    assert go.held() == {}


@pytest.mark.contract("registrar R-69, R-59")
async def test_keys_of_the_go_service_are_deleted_and_nothing_else_and_ours_hold_no_secret(
    make_shared: Callable[..., World], redis_server: Redis, redis_database: int, go: Go
) -> None:
    world = patient(make_shared(secret_storage="plaintext", rpc_read_password=True))
    sharing(world)
    made = await world.create("1000")
    world.register(made["endpoint_id"])
    of = {"customer_id": str(world.customer), "extension": "1000"}
    with monitored(redis_server, redis_database) as seen:
        await world.rpc("GET", f"/v1/extensions/{made['id']}")
        await world.rpc("GET", "/v1/contacts", of)
        await world.rpc("GET", MISS)
        assert {str(key).split(":")[2] for key in go.client.keys("ringback:v1:*")} == {"contacts", "misses"}
        assert all(0 < go.client.pttl(key) <= 60_000 for key in go.client.keys("*"))
        for _, step in await story(world, lambda: None):
            await step()

    theirs = [line for line in seen if "registrar:" in line or "ast_" in line]
    assert theirs
    assert {line.split()[1] for line in theirs} == {"UNLINK"}
    assert any("contacts" in line for line in seen)
    assert not [line for line in seen if PASSWORD in line]


@pytest.mark.contract("registrar R-69")
async def test_what_was_read_before_a_change_and_written_after_it_goes_too(
    make_shared: Callable[..., World], go: Go
) -> None:
    world = patient(make_shared())
    made = await world.create()
    before = remembered(world)
    await world.rpc("PUT", f"/v1/extensions/{made['id']}", {"name": "new"})
    go.remember(before)
    assert go.stale(world)
    world.wait(5)
    assert world.ringback.eraser is not None

    assert await world.ringback.eraser.once() > 0

    assert go.stale(world) == set()


@pytest.mark.contract("registrar R-69")
async def test_changes_by_command_and_kills_leave_no_old_data_once_redis_is_back(tmp_path: Path) -> None:
    """Redis dies, a command and a request change the same phone, the server is killed: the next one erases."""
    with Redis.private() as server:
        address = {"redis_address": server.url(1)}
        up = await Up.start(tmp_path / "home", **address)
        made = (await up.rest("POST", "/v1.0/extensions", {"extension": "1001"})).body
        trunk = (await up.rest("POST", "/v1.0/trunks", TRUNK)).body
        keys = [f"registrar:extension:{made['id']}", f"registrar:trunk:{trunk['id']}", "registrar:extension:other"]
        with server.client(1) as client:
            client.mset(dict.fromkeys(keys, "old"))
        await asyncio.to_thread(server.kill)
        code, said = await up.run("registrar-control", "trunk", "delete", "--id", trunk["id"], "--force")
        changed = await up.rest("PATCH", f"/v1.0/extensions/{made['id']}", {"name": "new"})
        os.kill(up.pid, signal.SIGKILL)
        await up.stop()
        await asyncio.to_thread(server.start)
        assert (code, changed.status) == (0, 200), said

        async with await Up.start(tmp_path / "home", **address):
            with server.client(1) as client:

                async def erased() -> bool:
                    await asyncio.sleep(0)
                    return bool(client.keys("registrar:*") == [keys[2].encode()])

                await until(erased)


TRUNK = {"domain_name": "carrier-a", "auth_types": ["ip"], "allowed_ips": ["203.0.113.7"]}


@pytest.mark.contract("registrar R-81")
async def test_ready_shows_a_redis_that_is_away_and_stays_ready(make_world: MakeWorld) -> None:
    with Redis.private() as server:
        world = patient(make_world(redis_address=server.url()))
        answers = []
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=world.ringback.metrics), base_url="http://metrics"
        ) as http:
            for change in (lambda: None, server.kill):
                await asyncio.to_thread(change)
                answer = await http.get("/ready")
                answers.append((answer.status_code, answer.json()["ready"], answer.json()["checks"]["redis"]))
        await world.ringback.aclose()

    assert answers == [(200, True, "ok"), (200, True, "Redis does not answer.")]


@pytest.mark.contract("registrar R-69")
@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_while_redis_is_away_every_change_and_every_read_is_answered(make_world: MakeWorld, how: str) -> None:
    with Redis.private() as server:
        world = make_world(redis_address=server.url())
        sharing(world)
        steps = await story(world, lambda: None)
        await asyncio.to_thread(getattr(server, how))
        cast(OthersKeys, world.ringback.memory.keys).redis.patience = PATIENCE  # from now on there is no answer
        of = {"customer_id": str(world.customer), "extension": "1001"}
        for name, step in steps:
            reply = await step()
            assert getattr(reply, "status_code", 200) in (200, 201), name
            assert (await world.rpc("GET", "/v1/contacts", of)).status_code == 200
        assert [(await world.rpc("GET", MISS)).status_code for _ in range(11)] == [404] * 10 + [429]

        assert 'redis_failure_total{use="keys"}' in world.metrics()
        assert 'circuitbreaker_state{target="redis"} 0.0' not in world.metrics()
        await world.ringback.aclose()


# ---- contacts that the instances share


class Held:
    """A cache whose fills wait until a test lets them go on."""

    def __init__(self, cache: Cache[Seen]) -> None:
        self._cache = cache
        self.filling = asyncio.Event()
        self.go_on = asyncio.Event()

    async def get(self, name: str) -> Seen | None:
        return await self._cache.get(name)

    async def fill(self, name: str, value: Seen, seconds: float) -> None:
        self.filling.set()
        await self.go_on.wait()
        await self._cache.fill(name, value, seconds)


def sharing(world: World, around: Callable[[Cache[Seen]], Cache[Seen]] = lambda cache: cache) -> None:
    """Let its RPCs look for contacts in Redis, as on a database server, which tells of no change."""
    cache = RedisStore(
        Address.parse(world.settings.redis_address.get_secret_value()), lambda use: None, lambda state: None
    )
    ringback = world.ringback
    shared = cast(OthersKeys, ringback.memory.keys).redis
    cache.redis = shared
    memory = replace(ringback.memory, contacts=around(cache.cache("contacts", Seen)), revision=lambda: 0)
    work = registrar_work(ringback.database, world.settings, memory, clock=world._clock)
    world.ringback = replace(ringback, memory=memory, work=work)


def reads(world: World) -> int:
    """How often contacts were read from the database since this was asked last."""
    found = sum(statement is asterisk.CONTACTS for statement in world.statements)
    world.statements.clear()
    return found


async def contacts(world: World) -> list[str]:
    of = {"customer_id": str(world.customer), "extension": "1001"}
    return [contact["id"] for contact in (await world.rpc("GET", "/v1/contacts", of)).data]


@pytest.fixture
async def pair(make_shared: Callable[..., World]) -> tuple[World, World]:
    """Two instances that have one phone, with one contact that both have read."""
    one, other = make_shared(), make_shared()
    for world in (one, other):
        patient(world)
        sharing(world)
        world.frozen = True
    made = await one.create()
    one.register(made["endpoint_id"], id="a")
    assert await contacts(one) == ["a"]
    reads(other)
    assert await contacts(other) == ["a"]
    assert reads(other) == 0, "one instance has what another has read"
    return one, other


CHANGES = {
    "RPC 2": lambda world, id: world.rpc(
        "PUT", "/v1/contacts", {"customer_id": str(world.customer), "extension": "1001"}
    ),
    "password": lambda world, id: world.rpc("PUT", f"/v1/extensions/{id}", {"password": f"{PASSWORD}x"}),
    "delete": lambda world, id: world.rpc("DELETE", f"/v1/extensions/{id}"),
    "feed": lambda world, id: world.ringback.feed.once(),
}


@pytest.mark.contract("registrar R-47, R-49")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("how", ["well", "away"])
async def test_after_a_change_of_one_instance_no_other_serves_what_was_before(
    pair: tuple[World, World], change: str, how: str
) -> None:
    one, other = pair
    (row,) = one.sql("SELECT id FROM registrar_extensions")
    one.sql("UPDATE ps_contacts SET user_agent = 'new', id = 'b'")
    assert await contacts(other) == ["a"]
    if how == "away":
        cast(OthersKeys, one.ringback.memory.keys).redis.patience = 0
    await CHANGES[change](one, UUID(bytes=row["id"]))

    assert await contacts(other) == (["b"] if change in ("RPC 2", "feed") else [])


@pytest.mark.contract("registrar R-49")
async def test_a_fill_in_flight_is_not_served_after_a_change(make_shared: Callable[..., World]) -> None:
    one, other = patient(make_shared()), patient(make_shared())
    held: list[Held] = []

    def hold(cache: Cache[Seen]) -> Cache[Seen]:
        held.append(Held(cache))
        return held[0]

    sharing(one, hold)
    sharing(other)
    one.frozen = other.frozen = True
    made = await one.create()
    one.register(made["endpoint_id"], id="a")
    filling = asyncio.create_task(contacts(one))
    await held[0].filling.wait()
    one.sql("UPDATE ps_contacts SET id = 'b'")

    await CHANGES["RPC 2"](other, made["id"])
    held[0].go_on.set()

    assert await filling == ["a"]
    assert await contacts(other) == ["b"]
    assert await contacts(one) == ["b"]


@pytest.mark.contract("registrar R-47")
async def test_a_redis_with_older_data_brings_nothing_back(pair: tuple[World, World], go: Go) -> None:
    one, other = pair
    saved = {key: go.client.dump(key) for key in go.client.keys("*")}
    one.sql("DELETE FROM ps_contacts")
    await CHANGES["RPC 2"](one, "")
    go.client.flushdb()
    for key, value in saved.items():
        go.client.restore(key, 0, cast(bytes, value))

    assert await contacts(one) == []
    assert await contacts(other) == []


@pytest.mark.contract("registrar R-47, R-48")
async def test_what_has_expired_is_never_shown_and_an_empty_answer_not_believed_for_long(
    pair: tuple[World, World],
) -> None:
    one, other = pair
    for world in pair:
        world.wait(14.9)
    reads(other)
    assert (await contacts(other), reads(other)) == (["a"], 0)
    other.wait(0.1)
    assert (await contacts(other), reads(other)) == (["a"], 1)
    for world in pair:
        world.wait(600)
    assert await contacts(one) == []
    one.register(one.sql("SELECT endpoint_id FROM registrar_extensions")[0]["endpoint_id"], id="c")
    other.wait(1.8)
    assert await contacts(other) == []
    other.wait(0.2)
    assert await contacts(other) == ["c"]


async def test_what_others_put_in_our_place_is_not_read(pair: tuple[World, World], go: Go) -> None:
    one, other = pair
    for nonsense in (b"", b"{", b"[]", b'{"contacts":[{}],"as_of":"x"}', b"\xff"):
        for key in go.client.keys("ringback:v1:contacts:*"):
            go.client.set(key, nonsense)
        assert await contacts(other) == ["a"]


# ---- direct addresses on several instances


@pytest.mark.contract("registrar R-37, R-40")
async def test_instances_share_the_budget_of_a_source_and_no_revoked_hash(make_shared: Callable[..., World]) -> None:
    one, other = make_shared(), make_shared()
    made = await one.create(direct=True)
    hit = f"/v1/extensions/by-direct-hash/{made['direct_hash']}"
    assert (await other.rpc("GET", hit)).status_code == 200
    await one.rpc("PUT", f"/v1/extensions/{made['id']}", {"direct_regenerate": True})
    assert (await other.rpc("GET", hit)).refusal == (404, "DIRECT_NOT_FOUND")

    codes = [(await (one, other)[number % 2].rpc("GET", MISS)).status_code for number in range(12)]

    assert codes == [404] * 10 + [429] * 2
    assert (await other.rpc("GET", MISS.replace("2.1", "2.2"))).status_code == 404
