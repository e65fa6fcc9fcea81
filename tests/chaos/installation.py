"""An installation: servers and daemons, each of which may be killed at any moment and is started again."""

import asyncio
import json
import math
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from tests.servers.database import DatabaseServer
from tests.servers.mariadb import MariaDb
from tests.servers.postgresql import PostgreSql
from tests.servers.rabbitmq import RabbitMq
from tests.servers.redis import Redis
from tests.servers.server import Server, free_port

from .platform import Contradiction

LAYOUTS: Final[Mapping[str, Sequence[type[DatabaseServer]]]] = {
    "mariadb": (MariaDb,),
    "postgresql": (PostgreSql,),
    "two servers": (PostgreSql, MariaDb),
}
"""Where our own database is, and where Asterisk's is if not on the same server."""
EXTENSION_DOMAIN: Final = "registrar.example.com"
TRUNK_DOMAIN: Final = "trunk.example.com"
SETTINGS: Final = {
    "DOMAIN_NAME_EXTENSION": EXTENSION_DOMAIN,
    "DOMAIN_NAME_TRUNK": TRUNK_DOMAIN,
    "RECONCILE_INTERVAL": "1",
    "CONTACT_POLL_INTERVAL": "0.5",
}
CANNOT_START: Final = 2
"""The exit code of a daemon whose database is away."""
RECOVERY: Final = 5.0
"""Seconds after which nobody may be refused any more because of a database that was away."""
PACE: Final = 0.05
"""Seconds between two looks while no daemon says anything."""
LAST_LINES: Final = 12
LONGEST_LINE: Final = 1 << 20

S = TypeVar("S", bound=Server)


@dataclass(frozen=True, slots=True)
class Place:
    """One of the two databases."""

    server: DatabaseServer
    database: str
    schema: str
    dsn: str

    def rows(self, table: str, *columns: str) -> list[dict[str, Any]]:
        """All rows of a table."""
        found = self.execute(f"SELECT {', '.join(columns)} FROM {self.schema}.{table}")
        return [dict(zip(columns, row, strict=True)) for row in found]

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self.server.execute(statement, *values, database=self.database)


class Daemon:
    """A registrar-manager that is started again whenever it ends."""

    def __init__(self, name: str, environment: Mapping[str, str], said: asyncio.Event) -> None:
        self.name = name
        self.lines: deque[str] = deque(maxlen=LAST_LINES)
        self.starts = 0
        self.state = ""
        self.oddities: list[str] = []
        """What it logged that no outage explains."""
        self._port = free_port()
        self._environment = {**environment, "PROMETHEUS_LISTEN_ADDRESS": f"127.0.0.1:{self._port}"}
        self._process: asyncio.subprocess.Process | None = None
        self._is_started = asyncio.Event()
        self._said = said

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._live()
        finally:
            self.kill()
            if self._process and self._process.stderr:
                await self._process.stderr.read()
                await self._process.wait()

    def kill(self) -> None:
        """SIGKILL."""
        self._is_started.clear()
        if self._process:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def is_ready(self, client: httpx.AsyncClient) -> bool:
        """Whether it has both databases and hears requests."""
        self.state = "is starting"
        await self._is_started.wait()
        try:
            answer = await client.get(f"http://127.0.0.1:{self._port}/ready")
        except httpx.HTTPError as error:
            self.state = f"does not say whether it is ready: {error!r}"
            return False
        self.state = answer.text
        return answer.status_code == 200

    async def last_pass(self, client: httpx.AsyncClient) -> float:
        """When its last pass of the reconciler ended well, in seconds since the epoch."""
        with suppress(httpx.HTTPError):
            text = (await client.get(f"http://127.0.0.1:{self._port}/metrics")).text
            found = re.search(r"^registrar_manager_reconcile_last_success_timestamp_seconds (\S+)$", text, re.MULTILINE)
            return float(found[1]) if found else 0.0
        return 0.0

    async def _live(self) -> None:
        self.starts += 1
        self._process = process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", str(Path(sys.executable).with_name("registrar-manager"))),
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
        )
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self._note(line.decode(errors="replace").rstrip("\n"))
        code = await process.wait()
        self._is_started.clear()
        if code not in (-9, CANNOT_START):
            raise Contradiction(f"{self.name} ended by itself with {code}:\n" + "\n".join(self.lines))

    def _note(self, line: str) -> None:
        self.lines.append(line)
        self._said.set()
        try:
            said = json.loads(line)
        except ValueError:
            said = {}
        if said.get("message") == "started":
            self._is_started.set()
        if "Traceback" in line or (said.get("severity") == "ERROR" and said.get("action") not in ("database", "amqp")):
            self.oddities.append(f"{self.name}: {line[:300]} … {line[-1500:]}")


class Installation:
    """Servers and two daemons. `kills` says when something was killed that may leave a request to be done twice."""

    def __init__(
        self, broker: RabbitMq, redis: Redis, own: Place, asterisk: Place, environment: Mapping[str, str]
    ) -> None:
        self.broker = broker
        self.redis = redis
        self.own = own
        self.asterisk = asterisk
        self.environment = environment
        self._said = asyncio.Event()
        self.daemons = [Daemon(f"daemon {number}", environment, self._said) for number in (1, 2)]
        self.broker_is_up = asyncio.Event()
        self.databases_are_up = asyncio.Event()
        self.broker_is_up.set()
        self.databases_are_up.set()
        self.shocks: list[float] = []
        self.outages: list[tuple[float, float]] = []
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    @classmethod
    @asynccontextmanager
    async def of(cls, layout: str, home: Path, **settings: str) -> AsyncIterator["Installation"]:
        """Servers that run, with a schema; `run` is for the daemons, who get further settings."""
        async with AsyncExitStack() as stack:
            broker, redis, databases = RabbitMq(), Redis(), [kind() for kind in LAYOUTS[layout]]
            for server in (broker, redis, *databases):
                stack.callback(server.stop)
            (own, asterisk), _, _ = await asyncio.gather(
                asyncio.to_thread(_places, databases, home),
                asyncio.to_thread(_begin, broker),
                asyncio.to_thread(_begin, redis),
            )
            environment = _environment(own, asterisk) | {
                "RABBITMQ_ADDRESS": broker.url(),
                "REDIS_ADDRESS": redis.address,
                "REDIS_PASSWORD": redis.password,
                **settings,
            }
            yield cls(broker, redis, own, asterisk, environment)

    async def run(self) -> None:
        """Keep the daemons alive until cancelled."""
        async with asyncio.TaskGroup() as running:
            for daemon in self.daemons:
                running.create_task(daemon.run())

    @property
    def is_pair(self) -> bool:
        return self.own.server is not self.asterisk.server

    @property
    def victims(self) -> list[str]:
        """What may be killed."""
        databases = ["database", "asterisk's database"] if self.is_pair else ["database"]
        return ["a daemon", "both daemons", "broker", *databases, "redis"]

    @property
    def now(self) -> float:
        return self._loop.time() - self._began

    def say(self, what: str) -> None:
        """Tell what happens, as it happens."""
        sys.stdout.write(f"{self.now:6.2f} s  {what}\n")
        sys.stdout.flush()

    def was_shaken(self, since: float, until: float) -> bool:
        """Whether a daemon or the broker was killed then."""
        return any(since <= shock <= until for shock in self.shocks)

    def excuses(self, since: float, until: float) -> bool:
        """Whether our database was away then, or a little before."""
        return any(since < end + RECOVERY and until > start for start, end in self.outages)

    async def kill(self, victim: str, which: int) -> None:
        """Kill it. Daemons come back by themselves, servers by `revive`."""
        self.say(f"kill {victim}")
        server = self._server(victim)
        doubles = server in (None, self.broker)
        if doubles:
            self.shocks.append(self.now)
        if "daemon" in victim:
            for daemon in self.daemons if victim == "both daemons" else [self.daemons[which]]:
                daemon.kill()
        if victim == "broker":
            self.broker_is_up.clear()
        if victim == "database":
            self.databases_are_up.clear()
            self.outages.append((self.now, math.inf))
        if server:
            await asyncio.to_thread(server.kill)
        if doubles:
            self.shocks.append(self.now)

    async def revive(self, victim: str) -> None:
        """Start it again, on its port and its data."""
        if server := self._server(victim):
            await asyncio.to_thread(server.start)
            self.say(f"{victim} answers")
        if victim == "broker":
            self.broker_is_up.set()
        if victim == "database":
            self.databases_are_up.set()
            self.outages[-1] = (self.outages[-1][0], self.now)

    async def all_ready(self) -> None:
        """Return when every daemon is ready."""
        async with httpx.AsyncClient() as client:
            for daemon in self.daemons:
                while not await daemon.is_ready(client):
                    await self.pace()

    def states(self) -> str:
        """How the daemons are, and what they said last."""
        lines = [[f"{one.name}, start {one.starts}: {one.state}", *one.lines] for one in self.daemons]
        return "\n  ".join(line for some in lines for line in some)

    async def reconciled(self, after: float) -> None:
        """Return when a pass of the reconciler that ended after that moment went well."""
        async with httpx.AsyncClient() as client:
            while max([await daemon.last_pass(client) for daemon in self.daemons]) < after:
                await self.pace()

    async def pace(self) -> None:
        """Return when a daemon says something, or a little later: who looks without end takes the processor from those
        that they look at."""
        self._said.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(PACE):
                await self._said.wait()

    def reconcile_now(self) -> None:
        """As an operator does who does not wait: rows of nobody go at once."""
        self._run("registrar-control", "reconcile", "--force")

    def _run(self, program: str, *words: str) -> None:
        run(program, *words, environment=self.environment)

    def _server(self, victim: str) -> Server | None:
        servers: dict[str, Server] = {
            "broker": self.broker,
            "redis": self.redis,
            "database": self.own.server,
            "asterisk's database": self.asterisk.server,
        }
        return servers.get(victim)


def run(program: str, *words: str, environment: Mapping[str, str]) -> None:
    """A command of ours; raises `Contradiction` with what it said unless it ends with 0."""
    command = [str(Path(sys.executable).with_name(program)), *words]
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Contradiction(f"{program} {' '.join(words)} ended with {done.returncode}: {done.stderr[-1000:]}")


def _begin(server: Server) -> None:
    server.prepare()
    server.start()


def _places(servers: Sequence[DatabaseServer], home: Path) -> tuple[Place, Place]:
    for server in servers:
        _begin(server)
    own, asterisk = _place(servers[0], "bin_manager"), _place(servers[-1], "asterisk")
    run("ringback", "db", "upgrade", environment=_environment(own, asterisk) | {"RINGBACK_HOME": str(home)})
    return own, asterisk


def _place(server: DatabaseServer, name: str) -> Place:
    """A database of MariaDB, or a schema of PostgreSQL."""
    if isinstance(server, MariaDb):
        server.execute(server.CREATE.format(name))
        return Place(server, name, name, server.dsn(name))
    server.execute(f"CREATE SCHEMA {name}")
    return Place(server, "", name, f"{server.url()}?search_path={name}")


def _environment(own: Place, asterisk: Place) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ}
    return {**kept, **SETTINGS, "DATABASE_DSN_BIN": own.dsn, "DATABASE_DSN_ASTERISK": asterisk.dsn}
