"""Several instances on a database server and a Redis: none serves what another has changed."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import timedelta
from itertools import repeat
from typing import Any, cast
from uuid import uuid4

import msgspec
import pytest

from ringback.app import Ringback, assemble
from ringback.databases import opened, places
from ringback.kit.cache import LocalCache, NoCache
from ringback.kit.db import Statement
from ringback.kit.stale import KEEP
from ringback.kit.uow import utc_now
from ringback.knobs import load
from ringback.migrations import commands
from ringback.settings import Settings
from ringback.sip import asterisk
from ringback.transports.redis.cache import SharedCache
from ringback.transports.redis.keys import OthersKeys
from tests.patience import ENOUGH
from tests.servers.database import Database
from tests.servers.fixtures import MakeDatabase
from tests.servers.redis import Redis

pytestmark = pytest.mark.process

SEED = random.randrange(10**6)
ROUNDS = 25


class Site:
    """Databases on a server, and as many instances as one likes."""

    def __init__(self, own: Database, asterisk: Database, schemas: tuple[str, str], **settings: Any) -> None:
        self.own = own
        self.asterisk = asterisk
        self.own_schema, self.schema = schemas
        self.settings: Settings = load({"rest_listen_address": "", **settings})
        self.customer = uuid4()
        self.statements: list[Statement] = []
        self.clock = utc_now
        self.ahead = timedelta(0)
        for name, url in places(self.settings).items():
            commands.upgrade(name, url)

    @asynccontextmanager
    async def instance(self) -> AsyncIterator[Ringback]:
        async with (
            opened(self.settings, self.statements.append) as found,
            aclosing(assemble(self.settings, found, clock=lambda: self.clock() + self.ahead)) as one,
        ):
            yield one

    def sql(self, statement: str, *values: Any) -> Any:
        return self.asterisk.execute(statement.replace("ps_contacts", f"{self.schema}ps_contacts"), *values)

    async def rpc(self, one: Ringback, method: str, uri: str, **data: Any) -> Any:
        envelope = {"uri": uri, "method": method, "data": {"customer_id": str(self.customer), **data}}
        busy = 503  # is this machine, and nothing is done
        while (reply := msgspec.json.decode(await one.rpc.serve(msgspec.json.encode(envelope))))["status_code"] == busy:
            pass
        assert reply["status_code"] == 200, reply
        return reply.get("data")

    async def contacts(self, one: Ringback) -> list[int]:
        return [contact["via_port"] for contact in await self.rpc(one, "GET", "/v1/contacts", extension="1001")]

    def register(self, endpoint: str) -> None:
        self.sql(
            "INSERT INTO ps_contacts (id, endpoint, uri, expiration_time, via_port) VALUES ('a', %s, 'sip:a', %s, 0)",
            endpoint,
            4_000_000_000,
        )

    def reads(self) -> int:
        found = sum(statement is asterisk.CONTACTS for statement in self.statements)
        self.statements.clear()
        return found


MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(make_database: MakeDatabase) -> MakeSite:
    """`make_site("mariadb")`; with `apart` our tables and Asterisk's are on two servers, or so it seems."""

    def make(engine: str, *, apart: bool = False, **settings: Any) -> Site:
        own = make_database(engine)
        if engine == "mariadb" or apart:
            theirs = make_database("postgresql" if apart else engine)
            dsns = {"database_dsn_bin": own.url, "database_dsn_asterisk": theirs.url}
            return Site(own, theirs, ("", ""), **dsns, **settings)
        for schema in ("ours", "theirs"):
            own.execute(f"CREATE SCHEMA {schema}")
        dsns = {f"database_dsn_{name}": f"{own.url}?search_path={schema}" for name, schema in SCHEMAS.items()}
        return Site(own, own, ("ours.", "theirs."), **dsns, **settings)

    return make


SCHEMAS = {"bin": "ours", "asterisk": "theirs"}


@pytest.mark.contract("registrar R-47, R-49")
@pytest.mark.parametrize("engine", ["mariadb", "postgresql"])
async def test_what_one_instance_has_read_another_has_until_anybody_changes_it(
    make_site: MakeSite, engine: str, redis_server: Redis, redis_database: int
) -> None:
    site = make_site(engine, redis_address=redis_server.url(redis_database))
    async with site.instance() as one, site.instance() as other:
        assert isinstance(one.memory.contacts, SharedCache)
        for instance in (one, other):
            cast(OthersKeys, instance.memory.keys).redis.patience = ENOUGH
        made = await site.rpc(one, "POST", "/v1/extensions", extension="1001")
        site.register(made["endpoint_id"])
        assert await site.contacts(one) == [0]
        site.reads()
        assert await site.contacts(other) == [0]
        assert site.reads() == 0

        await site.rpc(other, "PUT", f"/v1/extensions/{made['id']}", password="Another-Pass-0002")

        assert await site.contacts(one) == []
        assert await site.contacts(other) == []
        await site.rpc(other, "DELETE", f"/v1/extensions/{made['id']}")
        again = await site.rpc(one, "POST", "/v1/extensions", extension="1001")
        assert again["endpoint_id"] == made["endpoint_id"]
        assert await site.contacts(other) == []


@pytest.mark.contract("registrar R-69")
@pytest.mark.parametrize("engine", ["mariadb", "postgresql"])
async def test_stale_keys_are_noted_erased_and_forgotten_on_every_engine(
    make_site: MakeSite, engine: str, redis_server: Redis, redis_database: int
) -> None:
    site = make_site(engine, redis_address=redis_server.url(redis_database))
    async with site.instance() as one:
        assert one.eraser
        cast(OthersKeys, one.memory.keys).redis.patience = ENOUGH
        site.clock = repeat(utc_now()).__next__
        made = await site.rpc(one, "POST", "/v1/extensions", extension="1001")
        for number in range(101):
            await site.rpc(one, "PUT", f"/v1/extensions/{made['id']}", name=str(number))
        with redis_server.client(redis_database) as go:
            key = f"registrar:extension:{made['id']}"
            go.set(key, "old")
            assert await one.eraser.once() == 0
            site.ahead = timedelta(seconds=10)
            assert [await one.eraser.once() for _ in range(3)] == [100, 2, 0]
            assert go.get(key) is None
        site.ahead += KEEP
        await one.eraser.prune()
        assert site.own.execute(f"SELECT * FROM {site.own_schema}registrar_stale_keys") == []


@pytest.mark.contract("registrar R-49, R-69")
@pytest.mark.parametrize("engine", ["mariadb", "postgresql"])
async def test_whatever_becomes_of_redis_no_read_is_older_than_the_last_change(
    make_site: MakeSite, engine: str
) -> None:
    """A change counts from its answer on; readers of three instances look all the time."""
    chance = random.Random(SEED)
    with Redis.private() as server:
        site = make_site(engine, redis_address=server.url())
        async with AsyncExitStack() as stack:
            instances = [await stack.enter_async_context(site.instance()) for _ in range(3)]
            made = await site.rpc(instances[0], "POST", "/v1/extensions", extension="1001")
            site.register(made["endpoint_id"])
            answered, seen, changed = 0, 0, asyncio.Event()

            async def look(one: Ringback) -> None:
                nonlocal seen
                while answered < ROUNDS:
                    oldest = answered
                    (found,) = await site.contacts(one)
                    assert found >= oldest, f"seed {SEED}"
                    seen += 1

            async def harm() -> None:
                while answered < ROUNDS:
                    how, back = chance.choice([("kill", "start"), ("pause", "resume")])
                    await asyncio.to_thread(getattr(server, how))
                    await stood(chance.randrange(5))
                    await asyncio.to_thread(getattr(server, back))
                    await stood(chance.randrange(10))

            async def stood(changes: int) -> None:
                until = min(answered + changes, ROUNDS)
                while answered < until:
                    await changed.wait()

            async def change() -> None:
                nonlocal answered
                for number in range(1, ROUNDS + 1):
                    await asyncio.to_thread(site.sql, "UPDATE ps_contacts SET via_port = %s", number)
                    await site.rpc(chance.choice(instances), "PUT", "/v1/contacts", extension="1001")
                    answered = number
                    changed.set()
                    changed.clear()

            async with asyncio.TaskGroup() as group:
                for task in (change(), harm(), *map(look, instances)):
                    group.create_task(task)
            assert seen > ROUNDS


async def test_without_redis_an_instance_caches_alone_and_two_servers_are_always_asked(make_site: MakeSite) -> None:
    alone = make_site("mariadb")
    async with alone.instance() as one, alone.instance() as other:
        assert isinstance(one.memory.contacts, LocalCache)
        made = await alone.rpc(one, "POST", "/v1/extensions", extension="1001")
        alone.register(made["endpoint_id"])
        assert [await alone.contacts(one), await alone.contacts(one), await alone.contacts(other)] == [[0]] * 3
        assert alone.reads() == 2
        alone.sql("UPDATE ps_contacts SET via_port = 1")
        await alone.rpc(other, "PUT", "/v1/contacts", extension="1001")
        assert await alone.contacts(one) == [1]
    apart = make_site("mariadb", apart=True)
    async with apart.instance() as one:
        assert isinstance(one.memory.contacts, NoCache)
