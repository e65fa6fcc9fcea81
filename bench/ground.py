"""Servers of the bench's own that wait for the disk, and Ringback's processes on them as operators run them."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec

from bench.child import Running, child
from bench.content import Content, Template, fill
from ringback.kit.mariadb import lock_name
from tests.live import daemon
from tests.live.daemon import Daemon
from tests.servers.database import Database
from tests.servers.mariadb import MariaDb
from tests.servers.postgresql import PostgreSql
from tests.servers.rabbitmq import RabbitMq
from tests.servers.server import HOST

QUEUE: Final = "bin-manager.registrar-manager.request"
REALM: Final = "bench"
Tell = Callable[[str], None]


class DurablePostgreSql(PostgreSql):
    """A commit is on the disk before it is answered."""

    def command(self) -> tuple[str, ...]:
        return (*super().command(), "-c", "fsync=on")


class DurableMariaDb(MariaDb):
    """The same, with memory for all that is measured: a million extensions are 2 GB, others stand beside them."""

    def command(self) -> tuple[str, ...]:
        durable = ("--innodb-flush-method=fsync", "--innodb-flush-log-at-trx-commit=1")
        return (*super().command(), *durable, "--innodb-buffer-pool-size=4G", "--innodb-log-file-size=512M")


@dataclass(frozen=True, slots=True)
class Site:
    """The databases of one installation on a server, its customer, and the extensions of that one."""

    own: Database
    asterisk: Database
    customer_id: UUID
    content: Content | None = None

    @property
    def settings(self) -> dict[str, str]:
        """Where its databases are."""
        return {"database_dsn_bin": self.own.dsn, "database_dsn_asterisk": self.asterisk.dsn}

    def driver(self) -> dict[str, Any]:
        """Arguments of the bare driver."""
        server = self.own.server
        named = {"user": server.USER, "password": server.password, "database": self.own.name}
        return {"host": HOST, "port": server.port, **named}


@dataclass(slots=True)
class Ground:
    """What the measurements stand on; servers are started when the first one needs them."""

    stack: AsyncExitStack
    folder: Path
    tell: Tell
    share: float = 1.0
    """Of the time and the amounts that a measurement would take: less for a try."""
    _servers: dict[type, Any] = field(default_factory=dict)
    _sites: dict[int, Site] = field(default_factory=dict)

    def seconds(self, usual: float) -> float:
        """How long something is measured."""
        return max(usual * self.share, 0.1)

    def amount(self, usual: int) -> int:
        """How many of something there are."""
        return max(int(usual * self.share), 100)

    async def rabbitmq(self) -> RabbitMq:
        """The broker."""
        return await self._server(RabbitMq)  # type: ignore[no-any-return]

    async def mariadb(self) -> DurableMariaDb:
        """The database server."""
        return await self._server(DurableMariaDb)  # type: ignore[no-any-return]

    async def _server(self, kind: type[Any]) -> Any:
        if kind not in self._servers:
            self.tell(f"starting {kind.recipe.name}")
            one = kind.private()
            self._servers[kind] = await asyncio.to_thread(one.__enter__)
            self.stack.push(one.__exit__)
        return self._servers[kind]

    async def site(self, count: int) -> Site:
        """One whose customer has so many extensions, each with a direct address; filled once, and left as it is."""
        if count not in self._sites:
            self.tell(f"filling a database with {count:,} extensions")
            self._sites[count] = await self.filled_site(count)
        return self._sites[count]

    async def empty_site(self) -> Site:
        """One without any."""
        server = await self.mariadb()
        own, asterisk = (self.stack.enter_context(server.database()) for _ in range(2))
        await asyncio.to_thread(daemon.databases, own, asterisk)
        return Site(own, asterisk, uuid4())

    async def filled_site(self, count: int) -> Site:
        """One of its own, to be changed."""
        site = await self.empty_site()
        async with self.registrar(site), self.callers() as callers:
            made = {"customer_id": str(site.customer_id), "extension": "1001", "direct": True}
            envelopes = self.envelopes([("POST", "/v1/extensions", made)])
            said = await callers.ask(queue=QUEUE, envelopes=str(envelopes), in_flight=1, seconds=10, times=1)
            assert said["came"] == {"200": 1}, said
        ((id,),) = site.own.execute("SELECT id FROM registrar_extensions")
        template = Template.of(site.own, UUID(bytes=id))
        content = await asyncio.to_thread(fill, site.own, site.asterisk, template, count)
        return Site(site.own, site.asterisk, site.customer_id, content)

    @asynccontextmanager
    async def registrar(self, site: Site, *, alone: bool = True, **more: object) -> AsyncIterator[Daemon]:
        """`registrar-manager` on its databases and the broker; not `alone` it leaves the reconciling to another one."""
        broker = (await self.rabbitmq()).url()
        usual: dict[str, Any] = {"reconcile_interval": 3600}
        with nullcontext() if alone else _turn(await self.mariadb(), site):
            async with Daemon.running(**site.settings, rabbitmq_address=broker, **(usual | more)) as running:
                yield running
                running.tell()  # who is killed may have answered what the broker then gives to the next one again
                await running.ended()

    @asynccontextmanager
    async def callers(self) -> AsyncIterator[Running]:
        """Who asks over RabbitMQ."""
        async with child("bench.callers", url=(await self.rabbitmq()).url()) as running:
            yield running

    @asynccontextmanager
    async def echo(self, queue: str, **more: object) -> AsyncIterator[Running]:
        """The floor of what is asked over RabbitMQ (`bench.echo`)."""
        async with child("bench.echo", url=(await self.rabbitmq()).url(), queue=queue, **more) as running:
            yield running

    def envelopes(self, asked: Sequence[tuple[str, str, object]]) -> Path:
        """A file of request envelopes: (method, uri, data) of each."""
        lines = [
            msgspec.json.encode(
                {"uri": uri, "method": method, "publisher": "bench", "data_type": "application/json", "data": data}
            )
            for method, uri, data in asked
        ]
        path = self.folder / f"{uuid4().hex}.jsonl"
        path.write_bytes(b"\n".join(lines))
        return path


def _turn(server: MariaDb, site: Site) -> Any:
    """A connection that has the turn of the reconciler, as another instance would."""
    connection = server.connect(site.own.name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (lock_name(f"{site.own.name}.reconcile"),))
        assert cursor.fetchall() == ((1,),)
    return connection


@asynccontextmanager
async def ground(tell: Tell, share: float = 1.0) -> AsyncIterator[Ground]:
    """One that is gone afterwards, with its servers and files."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(_folder())
        yield Ground(stack, folder, tell, share)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ringback-bench-") as name:
        yield Path(name)
