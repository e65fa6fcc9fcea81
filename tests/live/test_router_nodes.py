"""Nodes of the router on database servers: each serves what another has changed, whatever was lost in between."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from ringback.api.admission import Admission
from ringback.api.gateway import Gateway
from ringback.customers.keys import service as keys
from ringback.customers.keys.model import OPERATOR, new_token
from ringback.databases import remote
from ringback.kit.audit import Actor
from ringback.kit.db import Schemas
from ringback.kit.dsn import parse_dsn
from ringback.kit.hearing import Hearing
from ringback.kit.uow import Work
from ringback.knobs import load
from ringback.memory import memory_of
from ringback.migrations import commands
from ringback.registrar.directs.model import new_hash
from ringback.registrar.realms.model import new_label
from ringback.registrar.work import registrar_work
from ringback.router.extensions import service, wire
from ringback.router.extensions.following import Follower
from ringback.router.extensions.loading import Loader
from ringback.router.extensions.model import RouterExtension
from ringback.router.extensions.registry import Registry
from ringback.router.extensions.rest import ROOT
from ringback.router.nodes.presence import Presence
from ringback.router.work import Uow, router_work
from ringback.router.writing import CHANNEL
from ringback.router_node import Upkeep, ear_of
from ringback.routes import ROUTER_REST
from ringback.schema import OWN_TABLES, ROUTER_TABLES
from ringback.transports.memory import MemoryBus
from tests.live.conftest import until
from tests.patience import ENOUGH
from tests.servers.database import Database
from tests.servers.fixtures import MakeDatabase
from tests.servers.mariadb import MariaDb
from tests.servers.postgresql import PostgreSql

pytestmark = pytest.mark.process

ENGINES: Final = ("mariadb", "postgresql")
LISTENERS: Final = "FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%%'"
BY_HAND: Final = "UPDATE extensions SET timeout_ms = 77 WHERE id = 'pii_guard'"


class Undone(Exception):
    """A transaction does not come to its end."""


class Process:
    """One process of the router, as the product puts it together."""

    def __init__(self, database: Database, home: Path, **settings: Any) -> None:
        dsns = {f"database_dsn_{name}": database.dsn for name in ("bin", "asterisk")}
        self.settings = load({**dsns, "ringback_home": home, "registry_reload_interval": 3600, **settings})
        self.registry = Registry(self.settings.node_id)
        self.moved = asyncio.Event()
        self.registry.watchers.append(self.moved.set)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """With its database, and nothing that goes on by itself."""
        url = self.settings.databases[0]
        schema = str(url.database) if url.get_backend_name() == "mysql" else "public"
        self.database = remote(self.settings, url, Schemas(schema, schema), OWN_TABLES + ROUTER_TABLES, None)
        self.work = router_work(self.database, self.registry)
        self.loader = Loader(self.work, self.registry)
        try:
            yield
        finally:
            self.database.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Process"]:
        async with (
            self.opened(),
            background(Upkeep(self.settings, self.database, self.work, self.loader, MemoryBus())) as node,
        ):
            self.node = node
            yield self

    async def create(self, id: str) -> RouterExtension:
        async def done(uow: Uow) -> RouterExtension:
            uow.by = Actor("key:ops", "rest")
            asked = wire.NewRouterExtension(id=id, type="pre", subject=f"beamline.ext.pre.{id}.v1")
            return await service.create(uow, asked)

        return await self.work.write(done)

    async def becomes(self, is_so: Callable[[], bool]) -> None:
        """Until the registry has come to be so."""
        async with asyncio.timeout(ENOUGH):
            while not is_so():
                await self.moved.wait()
                self.moved.clear()

    async def serves(self, id: str) -> None:
        await self.becomes(lambda: id in self.registry.snapshot.by_id)


@asynccontextmanager
async def background(part: Any) -> AsyncIterator[Any]:
    task = asyncio.create_task(part.run())
    try:
        yield part
    finally:
        task.cancel()
        await asyncio.wait({task})


def made(database: Database) -> Database:
    for name in ("bin", "router"):
        commands.upgrade(name, parse_dsn(database.dsn))
    return database


async def are_known(nodes: list[Process]) -> bool:
    return len(await nodes[0].node.presence.nodes()) == len(nodes)


async def are_degraded(*nodes: Process) -> bool:
    return all(node.loader.is_degraded for node in nodes)


async def are_following(*nodes: Process) -> bool:
    return not any(node.loader.is_degraded for node in nodes)


def processes(database: Database, folder: Path, number: int) -> list[Process]:
    return [Process(database, folder / f"home{one}", node_id=f"node{one}") for one in range(number)]


@pytest.mark.contract("router R-2a, R-2c, X-14")
@pytest.mark.parametrize("engine", ENGINES)
async def test_what_one_node_changes_all_serve(engine: str, make_database: MakeDatabase, tmp_path: Path) -> None:
    database = made(make_database(engine))
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(node.running()) for node in processes(database, tmp_path, 3)]
        for node in nodes:
            await node.serves("pii_guard")
        await until(lambda: are_known(nodes))
        for number, node in enumerate(nodes):
            await node.create(f"upper{number}")

        applied = await nodes[0].node.presence.wait_applied(nodes[2].registry.snapshot.revision, ENOUGH)

        assert (applied.nodes, applied.pending) == (3, [])
        for node in nodes:
            await node.serves("upper2")
        assert len({node.registry.snapshot.checksum for node in nodes}) == 1
    assert database.execute("SELECT node_id FROM router_nodes") == []


@asynccontextmanager
async def operator(node: Process) -> AsyncIterator[httpx.AsyncClient]:
    """REST at a node, with the operator's key."""
    token = new_token()
    await node.work.write(lambda uow: keys.keep(uow, token, None, "ops", OPERATOR))
    memory = memory_of(node.settings, node.database, time.monotonic, new_hash, new_label)
    work = registrar_work(node.database, node.settings, memory)
    works: dict[str, Work[Any]] = {"registrar-manager": work, "router-manager": node.work}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=Gateway(ROUTER_REST, works, {}, Admission(work, node.node.kept_key))),
        base_url="http://router",
        headers={"authorization": f"Bearer {token.reveal()}"},
    ) as client:
        yield client


@pytest.mark.contract("router R-2c")
@pytest.mark.parametrize("engine", ENGINES)
async def test_a_change_is_answered_when_all_nodes_serve_it_or_names_the_one_that_does_not_follow(
    engine: str, make_database: MakeDatabase, tmp_path: Path
) -> None:
    one, other, third = nodes = processes(made(make_database(engine)), tmp_path, 3)
    async with (
        one.running(),
        other.running(),
        third.opened(),
        background(Presence(third.work, third.loader)),
        operator(one) as client,
    ):
        async with background(Follower(third.loader, interval=3600, poll=0.05)):
            for node in nodes:
                await node.serves("pii_guard")
            await until(lambda: are_known(nodes))
            asked = {"id": "upper", "type": "pre", "subject": "beamline.ext.pre.upper.v1"}

            answer = await client.post(f"{ROOT}?wait=applied&timeout_ms=10000", json=asked)

            revision = int(answer.headers["x-registry-revision"])
            assert (answer.status_code, applied(answer)) == (201, (revision, 3, []))
            assert all(node.registry.get_cached("upper") for node in nodes)

        late = await client.post(f"{ROOT}/upper/disable?wait=applied&timeout_ms=1000")

        assert (late.status_code, applied(late)) == (200, (revision + 1, 3, ["node2"]))


def applied(answer: httpx.Response) -> tuple[int, int, list[str]]:
    found = answer.json()["applied"]
    return found["revision"], found["nodes"], found["pending"]


@pytest.mark.contract("router R-2a, R-2b")
async def test_postgresql_tells_at_once_and_what_it_told_nobody_is_found(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    database = made(make_database("postgresql"))
    one, other = processes(database, tmp_path, 2)
    async with one.opened(), other.opened():
        await one.loader.reload()
        follower = Follower(other.loader, interval=3600, poll=3600)
        hearing = Hearing(ear_of(other.settings), CHANNEL, follower.heard, follower.missed)
        async with background(follower), background(hearing):
            await other.serves("pii_guard")
            await until(lambda: asyncio.to_thread(database.execute, f"SELECT 1 {LISTENERS}"))
            await one.create("upper")
            await other.serves("upper")

            database.execute(BY_HAND)
            database.execute(f"SELECT pg_terminate_backend(pid) {LISTENERS}")
            await one.create("lower")

            await other.serves("lower")
            await other.becomes(lambda: other.registry.lookup("pii_guard").timeout_ms == 77)


@pytest.mark.contract("router T-7")
async def test_who_listens_hears_what_was_committed_and_nothing_else(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    database = made(make_database("postgresql"))
    (one,) = processes(database, tmp_path, 1)
    begun, heard = asyncio.Event(), asyncio.Queue[None]()
    async with one.opened():
        await one.loader.reload()
        ear = await ear_of(one.settings)()
        listening = ear.listen(CHANNEL, begun.set, lambda: heard.put_nowait(None), ENOUGH)
        task = asyncio.create_task(listening)
        await begun.wait()

        async def undone(uow: Uow) -> None:
            asked = wire.NewRouterExtension(id="never", type="pre", subject="beamline.ext.pre.never.v1")
            await service.create(uow, asked)
            raise Undone

        with pytest.raises(Undone):
            await one.work.write(undone)
        async with asyncio.timeout(ENOUGH):
            for id in ("upper", "lower"):
                await one.create(id)
                await heard.get()

        assert heard.empty()
        task.cancel()
        await asyncio.wait({task})
        ear.close()


@pytest.mark.contract("router R-2a, F-11, T-7")
async def test_a_notification_that_nobody_hears_costs_one_look(make_database: MakeDatabase, tmp_path: Path) -> None:
    database = made(make_database("postgresql"))
    one, other = processes(database, tmp_path, 2)
    deaf = Process(database, tmp_path / "deaf", database_listen_url="postgresql://nobody@127.0.0.1:1/none")
    async with one.opened(), deaf.running():
        await one.loader.reload()
        await deaf.serves("pii_guard")
        await one.create("upper")

        await deaf.serves("upper")


@pytest.mark.contract("router R-1d, R-1e, R-2b, F-5")
@pytest.mark.parametrize("server", [MariaDb, PostgreSql])
async def test_nodes_outlive_their_database_and_one_starts_without_it(
    server: type[MariaDb | PostgreSql], tmp_path: Path
) -> None:
    with server.private() as own, own.database() as database:
        made(database)
        one, other = processes(database, tmp_path, 2)
        async with one.running(), other.running():
            await one.serves("pii_guard")
            await one.create("upper")
            await other.serves("upper")
            await asyncio.to_thread(own.kill)
            await until(lambda: are_degraded(one, other))
            assert other.registry.lookup("upper")
            await asyncio.to_thread(own.start)
            await until(lambda: are_following(one, other))
            await one.create("lower")
            await other.serves("lower")

        late = Process(database, tmp_path / "home1", node_id="late")
        async with late.opened():
            await asyncio.to_thread(own.kill)
            async with background(Upkeep(late.settings, late.database, late.work, late.loader, MemoryBus())):
                await late.serves("lower")
                stats = late.loader.stats()
                assert (stats.source, stats.degraded) == ("snapshot", True)
                await asyncio.to_thread(own.start)
                await until(lambda: are_following(late))
                assert late.loader.stats().source == "database"
        assert late.registry.snapshot.checksum == one.registry.snapshot.checksum
