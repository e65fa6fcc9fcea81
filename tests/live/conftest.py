"""A real Ringback, a real Asterisk on its SQLite file, and softphones to try them with."""

import asyncio
import contextlib
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from ringback.app import assemble
from ringback.databases import opened
from ringback.demo.asterisk import Asterisk
from ringback.demo.install import CACHE
from ringback.demo.kamailio import Kamailio
from ringback.demo.phone import Account, Phone, PhoneOptions
from ringback.demo.ports import HOST, Ports, free_ports
from ringback.demo.programs import ASTERISK_ON_SERVERS, KAMAILIO, AsteriskProgram
from ringback.demo.server import Server
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.secret import Secret
from ringback.knobs import load
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Status
from ringback.sip.config import AsteriskOptions
from ringback.sip.kamailio import KamailioOptions, new_secret
from ringback.sip.odbc import sqlite_url
from tests.patience import ENOUGH

from .digest import register

ROOT = Path(__file__).parents[2]
EDGE = "127.0.0.30"
"""Where a Kamailio is, in front of every Asterisk: nobody else may send from there."""
PACE = 0.02
"""Seconds between two looks at what another process does."""
Extension = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class World:
    """One `ringback up`, one Asterisk that reads its file, and where phones reach it."""

    server: Server
    asterisk: Asterisk
    ports: Ports
    other: UUID = field(default_factory=uuid4)
    """A second customer, beside the one that the first start made."""

    async def create(self, number: str, *, customer: UUID | None = None, **more: Any) -> Extension:
        """An extension by RPC 8, with the password that this one reply shows."""
        asked = {"customer_id": str(customer or self.server.keys.customer_id), "extension": number, **more}
        reply = await self.server.rpc("POST", "/v1/extensions", asked)
        assert reply.status == 200, reply
        return dict(reply.body)

    async def change(self, extension: Extension, **changes: Any) -> Extension:
        """The same after RPC 6; `password` is empty unless it was set."""
        reply = await self.server.rpc("PUT", f"/v1/extensions/{extension['id']}", changes)
        assert reply.status == 200, reply
        return dict(reply.body)

    async def delete(self, extension: Extension) -> None:
        """RPC 7."""
        reply = await self.server.rpc("DELETE", f"/v1/extensions/{extension['id']}")
        assert reply.status == 200, reply

    async def contacts(self, extension: Extension, *, fresh: bool = False) -> list[dict[str, Any]]:
        """What RPC 1 says; `fresh`: after RPC 2."""
        asked = {"customer_id": extension["customer_id"], "extension": extension["extension"]}
        if fresh:
            done = await self.server.rpc("PUT", "/v1/contacts", asked)
            assert (done.status, done.body) == (200, None)
        reply = await self.server.rpc("GET", "/v1/contacts", asked)
        assert reply.status == 200, reply
        return list(reply.body)

    async def news(self, extension: Extension) -> list[tuple[str, str]]:
        """The events about the extension's contacts so far, oldest first: type, and cause if it has one."""
        about = "subscription_id = ? AND event_type LIKE 'contact%' ORDER BY id"
        found = self.sql(f"SELECT event_type, payload FROM registrar_outbox WHERE {about}", UUID(extension["id"]).bytes)
        return [(type, json.loads(payload)["cause"]) for type, payload in found]

    async def set_status(self, customer: UUID, status: Status) -> None:
        """Freeze a customer, or make one active again, as another process would."""
        settings = load({"ringback_home": self.server.home, **self.settings()})

        async def is_set() -> bool:
            try:
                async with opened(settings) as found:
                    await assemble(settings, found).work.write(lambda uow: realms.set_status(uow, customer, status))
            except DatabaseUnavailable:  # a busy machine: once more
                return False
            return True

        await until(is_set)

    def settings(self) -> dict[str, str]:
        """Where the databases are, if not in its home."""
        return {}

    def sql(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """What is in the file, seen by somebody else."""
        with closing(sqlite3.connect(self.server.database, isolation_level=None, timeout=10)) as connection:
            return connection.execute(text, values).fetchall()

    def complaints(self) -> list[str]:
        """What Asterisk warned of, but for what the tests do to it on purpose."""
        provoked = re.compile(r"has no configured AORs|(?:PJSIP/|ndpoint ')smuggler\d@|CallerID Name 'x{40}")
        return [line for line in self.asterisk.problems() if not provoked.search(line)]


Files = Callable[[AsteriskOptions], Mapping[str, str]]


@asynccontextmanager
async def running(
    program: AsteriskProgram,
    folder: Path,
    *,
    files: Files = lambda options: {},
    edges: Sequence[str] = (EDGE,),
    screen: str = "",
    **settings: str,
) -> AsyncIterator[World]:
    """Both servers in a folder of their own, while inside. Each knows where the other is.

    `files` are some of Asterisk's own in place of ours. Asterisk has policies run at `screen`, if Ringback does not."""
    ports, secret = Ports.find(), Secret.generate()
    settings = {"sip_public_host": HOST, "sip_public_port": str(ports.phones)} | settings
    async with await Server.start(folder / "home", asterisk_ami=ports.ami(secret), **settings) as server:
        options = ports.options(sqlite_url(server.database), manager=secret)
        (port,) = free_ports(1)
        options = replace(
            options,
            agi=settings.get("agi_listen_address", ""),
            screen=screen or settings.get("screen_listen_address", ""),
            edge=",".join(f"{host}:{port}" for host in edges),
        )
        async with await Asterisk.start(program, options, folder / "asterisk", files(options)) as asterisk:
            yield World(server, asterisk, ports)


@pytest.fixture(scope="session")
def program(request: pytest.FixtureRequest) -> AsteriskProgram:
    """The Asterisk of this machine, fetched if there is none; else the tests fail. `--asterisk` names another."""
    if suite := request.config.getoption("--asterisk"):
        only = replace(ASTERISK_ON_SERVERS, suites={suite: ASTERISK_ON_SERVERS.suites[suite]})
        return only.fetch(ROOT / CACHE / only.program, print)
    return ASTERISK_ON_SERVERS.obtain(ROOT / CACHE)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One world for all tests: each uses numbers of its own."""
    async with running(program, tmp_path_factory.mktemp("live"), contact_poll_interval="0.1") as one:
        yield one
        assert one.complaints() == []


StartPhone = Callable[..., Awaitable[Phone]]


@pytest_asyncio.fixture(loop_scope="session")
async def phone(world: World, tmp_path: Path) -> AsyncIterator[StartPhone]:
    """Start phones, closed when the test ends: `await phone(extension, tone=440)`; no extension = a stranger."""
    started: list[Phone] = []

    async def start(
        extension: Extension | None = None,
        *,
        password: str = "",
        tone: int = 440,
        server: str = "",
        bind: str = HOST,
        answer: int = 200,
    ) -> Phone:
        account = None
        if extension:
            account = Account(
                extension["extension"],
                extension["realm"],
                password or extension["password"],
                extension["username"],
            )
        name = f"{extension['extension'] if extension else 'stranger'}-{len(started)}"
        server = server or (world.ports.phones_at if extension else world.ports.public_at)
        one = await Phone.start(PhoneOptions(name, server, tmp_path, tone, account, bind, answer))
        started.append(one)
        return one

    yield start
    await asyncio.gather(*(one.close() for one in started))


Trunk = Mapping[str, Any]
Outcome = tuple[int, list[str]]
"""The final status of a REGISTER, and what it was challenged with."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A Kamailio in front of this world's Asterisk, and the trunks that it lets in."""

    world: World
    kamailio: Kamailio

    async def create(self, domain: str, *auth_types: str, **more: Any) -> Trunk:
        """RPC 13; the reply shows the password."""
        customer = str(self.world.server.keys.customer_id)
        asked = {"customer_id": customer, "domain_name": domain, "auth_types": auth_types, **more}
        reply = await self.world.server.rpc("POST", "/v1/trunks", asked)
        assert reply.status == 200, reply
        return dict(reply.body)

    async def change(self, trunk: Trunk, **changes: Any) -> Trunk:
        """RPC 15."""
        reply = await self.world.server.rpc("PUT", f"/v1/trunks/{trunk['id']}", changes)
        assert reply.status == 200, reply
        return dict(reply.body)

    async def delete(self, trunk: Trunk) -> None:
        """RPC 16."""
        reply = await self.world.server.rpc("DELETE", f"/v1/trunks/{trunk['id']}")
        assert reply.status == 200, reply

    async def register(
        self, trunk: Trunk, *, source: str = HOST, password: str = "", username: str | None = None
    ) -> Outcome:
        """A REGISTER of the trunk from that address."""
        who = as_phone(trunk, password=password or trunk["password"], username=username)
        return await register(self.kamailio.at, who, source=source)


def as_phone(trunk: Trunk, *, password: str, username: str | None = None) -> Extension:
    """The trunk as a softphone has it."""
    name = trunk["username"] if username is None else username
    return {"extension": "pbx", "username": name, "realm": trunk["realm"], "password": password}


@contextlib.asynccontextmanager
async def in_front(world: World, folder: Path, *asterisks: str, tells: str = "") -> AsyncIterator[Edge]:
    """A Kamailio with its files in that folder, while inside; before those Asterisks, or the world's alone.

    It tells Ringback of phones at `tells`."""
    program = await asyncio.to_thread(KAMAILIO.obtain, ROOT / CACHE)
    port = int(world.asterisk.options.edge.rpartition(":")[2])
    database = sqlite_url(world.server.database)
    options = KamailioOptions(database, EDGE, asterisks or (world.ports.public_at,), new_secret(), port, workers=2)
    async with await Kamailio.start(program, replace(options, tells=tells), folder) as kamailio:
        yield Edge(world, kamailio)
        assert kamailio.problems() == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def edge(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with in_front(world, tmp_path_factory.mktemp("edge") / "kamailio") as one:
        yield one


Callee = tuple[Phone, str]


@pytest_asyncio.fixture(loop_scope="session")
async def callee(world: World, phone: StartPhone) -> Callee:
    """A registered phone with a direct address, and that address."""
    extension = await world.create(f"16{len(world.sql('SELECT 1 FROM registrar_extensions')):03}", direct=True)
    one = await phone(extension, tone=660)
    assert await one.register() == 200
    return one, f"sip:direct.{extension['direct_hash']}@sip.localhost"


async def until(seen: Callable[[], Awaitable[Any]]) -> Any:
    """What `seen` gives, as soon as it is something; TimeoutError when that never comes.

    It is asked again soon after it has answered: what another process does, nobody tells us, and it needs the
    processor more than we."""
    nothing = asyncio.Event()
    async with asyncio.timeout(ENOUGH):
        while not (found := await seen()):
            with suppress(TimeoutError):
                async with asyncio.timeout(PACE):
                    await nothing.wait()
        return found
