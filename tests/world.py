"""A whole Ringback over a SQLite file of its own, with time, randomness and failures in the test's hands."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID, uuid4

import httpx
import msgspec
from prometheus_client import generate_latest

from ringback.app import Ringback, assemble
from ringback.customers import service as customers
from ringback.customers.keys import service as keys
from ringback.customers.keys.model import ADMIN, OPERATOR, new_token
from ringback.customers.model import PUBLISHER as CUSTOMERS
from ringback.customers.model import Customer
from ringback.customers.wire import NewCustomer
from ringback.databases import Opened
from ringback.kit.db import Database, Statement
from ringback.kit.events import Bus
from ringback.kit.inbox import Inbox
from ringback.kit.rpc import Serve
from ringback.knobs import load
from ringback.registrar.directs.model import new_hash
from ringback.registrar.events import PUBLISHER
from ringback.registrar.heard import HEARD
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Status, new_label
from ringback.registrar.work import Uow
from ringback.settings import Settings
from ringback.transports.memory import MemoryBus
from tests.patience import ENOUGH
from tests.stacks import Ground

T = TypeVar("T")

START = datetime(2026, 2, 11, 9, 30, 0, 123456, tzinfo=UTC)
PASSWORD = "Sample-Pass-0001"
CODES = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "FAILED_PRECONDITION": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "INTERNAL": 500,
}
"""The closed set of statuses that the registrar itself may answer over RPC, and the code of each."""

UNLIMITED: Final = {"rest_rate_limit": 1_000_000, "rest_rate_burst": 1_000_000, "rest_failure_limit": 0}
"""Budgets of REST that no test spends: the clock stands still unless it is turned."""


class Broken(Exception):
    """A statement that a test made fail."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply envelope, as a peer would read it."""

    status_code: int
    data_type: str
    data: Any
    raw: dict[str, Any]

    @property
    def reason(self) -> str:
        return str(self.data["reason"])

    @property
    def refusal(self) -> tuple[int, str]:
        """(code, reason) of a typed error, after a look at its whole form (registrar 3.2)."""
        assert self.raw.keys() == {"status_code", "data_type", "data"}, self.raw
        assert self.data_type == "voipbin_error", self.raw
        assert self.data.keys() - {"details"} == {"status", "reason", "domain", "message"}, self.raw
        assert self.data["domain"] == "registrar-manager"
        assert self.status_code == CODES[self.data["status"]], self.raw
        assert self.data["message"].endswith(".")
        details = self.data.get("details", [{"field": "", "description": ""}])
        assert details
        assert all(detail.keys() == {"field", "description"} for detail in details)
        return self.status_code, self.reason

    @property
    def faulty(self) -> list[str]:
        """The names of the faulty fields."""
        return [detail["field"] for detail in self.data.get("details", [])]


def nothing(statement: Statement) -> None: ...


@cache
def loaded(settings: tuple[tuple[str, Any], ...]) -> Settings:
    """Settings as they are loaded, once for all tests that want the same."""
    return load(dict(settings))


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """The code and the reason of a request that was refused."""
    return answer.status_code, answer.json()["error"]["reason"]


def faulty(answer: httpx.Response) -> list[str]:
    """The fields that the refusal of a request names."""
    return [detail["field"] for detail in answer.json()["error"]["details"]]


class World:
    """What a test sees and turns. Time moves a second at each request unless `frozen`."""

    def __init__(self, ground: Ground, home: Path, *, bus: Bus | None = None, **settings: Any) -> None:
        """`ground` is its database, which it may share with other worlds, and the way to its service."""
        self.ground = ground
        self.home = home
        self.stack = AsyncExitStack()
        self.now = START
        self.ticks = 0.0
        self.frozen = False
        self.hashes: list[str] = []
        self.labels: list[str] = []
        self.slept: list[float] = []
        self.statements: list[Statement] = []
        self.before_statement: Callable[[Statement], None] = nothing
        self.asleep: Callable[[], None] = lambda: None
        self.bus: Bus = bus or MemoryBus()
        self._sql: Callable[..., list[dict[str, Any]]] | None = None
        self._reached: Serve | None = None
        self._refused = ""
        self._reaching = asyncio.Lock()
        settings = UNLIMITED | ground.settings(home) | settings
        self.settings = loaded(tuple(settings.items())).model_copy(update={"ringback_home": home})
        self.started: list[Ringback] = []
        self.ringback = self.start()
        self.inbox: Inbox[Uow] = self.new_inbox()
        self.customer = uuid4()

    def start(self) -> Ringback:
        """A (further) process over the same file."""
        started = assemble(
            self.settings,
            Opened(self.open()),
            buses={PUBLISHER: self.bus},
            clock=self._clock,
            ticks=lambda: self.ticks,
            hashes=lambda size: self.hashes.pop(0) if self.hashes else new_hash(size),
            labels=lambda: self.labels.pop(0) if self.labels else new_label(),
        )
        self.started.append(started)
        started.work.patience = started.router.work.patience = self.ground.patience
        if started.memory.keys:
            started.memory.keys.redis.patience = ENOUGH  # type: ignore[attr-defined]
        return started

    def open(self) -> Database:
        """A (further) connection to this world's database."""
        return self.ground.open(self.settings, self._watch)

    def new_inbox(self) -> Inbox[Uow]:
        """The inbox of `ringback`, with pauses that take no time; `slept` has them, `asleep` is called in each."""
        return Inbox(HEARD, self.ringback.work, self.ringback.memory.metrics.observe_heard, sleep=self._sleep)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.wait(seconds)
        self.asleep()
        await asyncio.sleep(0)

    def _clock(self) -> datetime:
        if not self.frozen:
            self.now += timedelta(seconds=1)
        return self.now

    def _watch(self, statement: Statement) -> None:
        self.statements.append(statement)
        self.before_statement(statement)

    def fail_at(self, number: int, error: BaseException | None = None) -> None:
        """Let the statement of that number fail, the next one being 0; then all goes well again."""
        numbers = count()

        def before(statement: Statement) -> None:
            if next(numbers) == number:
                self.heal()
                raise error or Broken(repr(statement))

        self.before_statement = before

    def heal(self) -> None:
        """Nothing happens before statements any more."""
        self.before_statement = nothing

    def during(self, number: int, talk: Coroutine[Any, Any, Any]) -> None:
        """Let somebody else say something before the statement of that number, the next one being 0."""
        numbers = count()

        def before(statement: Statement) -> None:
            if next(numbers) == number:
                self.heal()
                self.at_once(talk)

        self.before_statement = before

    @staticmethod
    def at_once(talk: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that waits for nothing, within one step of the loop."""
        try:
            talk.send(None)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        raise AssertionError("it waits for something")

    def metrics(self) -> str:
        """The page of the metrics."""
        return generate_latest(self.ringback.memory.metrics.registry).decode()

    def counters(self) -> list[str]:
        """The counts of what was made and deleted."""
        return [line for line in self.metrics().splitlines() if re.match(r"\w+_(create|delete)_total ", line)]

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        self.ticks += seconds

    async def rpc(self, method: str, uri: str, data: Any = None, **envelope: Any) -> Reply:
        """One request envelope to the running service."""
        return await self.serve(self.envelope(method, uri, data, **envelope))

    def envelope(self, method: str, uri: str, data: Any = None, **more: Any) -> bytes:
        """A request envelope as bytes."""
        sent = {"uri": uri, "method": method, "publisher": "test", "data_type": "application/json", **more}
        return msgspec.json.encode(sent if data is None else {**sent, "data": data})

    async def serve(self, envelope: bytes) -> Reply:
        """The same for bytes that may be anything."""
        async with self._reaching:
            if self._reached is None:
                self._reached = await self.ground.reach(lambda body: self.ringback.rpc.serve(body), self.stack)
        raw = msgspec.json.decode(await self._reached(envelope))
        return Reply(raw["status_code"], raw["data_type"], raw.get("data"), raw)

    async def tell(self, type: str, customer: UUID | None = None, **envelope: Any) -> bool:
        """An event about a customer, this world's unless named; whether it was done."""
        data = {"id": str(customer or self.customer)}
        return await self.inbox.take(
            msgspec.json.encode({"publisher": CUSTOMERS, "type": type, "data": data, **envelope})
        )

    async def create(self, number: str = "1001", **more: Any) -> dict[str, Any]:
        """An extension of this world's customer, as RPC shows it."""
        reply = await self.rpc("POST", "/v1/extensions", self.asked(number, **more))
        assert reply.status_code == 200, reply
        return dict(reply.data)

    def asked(self, number: str = "1001", **more: Any) -> dict[str, Any]:
        return {"customer_id": str(self.customer), "extension": number, "password": PASSWORD, **more}

    async def create_trunk(self, domain: str = "carrier-a", **more: Any) -> dict[str, Any]:
        """A trunk of this world's customer, as RPC shows it; by digest and by address unless told otherwise."""
        reply = await self.rpc("POST", "/v1/trunks", self.asked_trunk(domain, **more))
        assert reply.status_code == 200, reply
        return dict(reply.data)

    def asked_trunk(self, domain: str = "carrier-a", **more: Any) -> dict[str, Any]:
        asked = {"customer_id": str(self.customer), "domain_name": domain, "auth_types": ["basic", "ip"]}
        return {**asked, "username": "pbx01", "password": PASSWORD, "allowed_ips": ["203.0.113.7"], **more}

    async def set_status(self, status: Status, customer: UUID | None = None) -> None:
        await self.ringback.work.write(lambda uow: realms.set_status(uow, customer or self.customer, status))

    async def name(self, name: str = "Acme", email: str = "ops@acme.example", **more: Any) -> Customer:
        """Let customer-manager know this world's customer."""
        asked = NewCustomer(id=self.customer, name=name, email=email, **more)
        return await self.ringback.work.write(lambda uow: customers.create(uow, asked))

    async def label(self, label: str) -> None:
        """Give this world's customer a realm label of their own."""
        await self.ringback.work.write(lambda uow: realms.ensure(uow, self.customer, label))

    async def key(self, customer: UUID | None) -> str:
        """A new access key of the customer, or of the operator."""
        token = new_token()
        role = ADMIN if customer else OPERATOR
        await self.ringback.work.write(lambda uow: keys.keep(uow, token, customer, "test", role))
        return token.reveal()

    async def http(self, key: str | None = None) -> httpx.AsyncClient:
        """A client of REST with a key of this world's customer."""
        token = key or await self.key(self.customer)
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.ringback.gateway),
            base_url="http://ringback",
            headers={"authorization": f"Bearer {token}"},
        )

    def sql(self, text: str, *values: Any) -> list[dict[str, Any]]:
        """What is in the database, seen by somebody else, in SQLite's spelling."""
        if self._sql:
            return self._sql(text, *values)
        with self.bulk():
            return self.sql(text, *values)

    @contextmanager
    def bulk(self) -> Iterator[None]:
        """Let somebody else do all `sql` within in one transaction."""
        with self.ground.talk() as self._sql:
            try:
                yield
            finally:
                self._sql = None

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of every table."""
        with self.bulk():
            return {table: self.sql(f"SELECT * FROM {table} ORDER BY 1") for table in self.ground.tables()}

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """(type, payload) of all news so far, in order."""
        rows = self.sql("SELECT event_type, payload FROM registrar_outbox ORDER BY id")
        return [(row["event_type"], msgspec.json.decode(row["payload"])) for row in rows]

    def register(self, endpoint: str, *, expires_in: int = 600, id: str | None = None, **columns: Any) -> str:
        """Write a contact as Asterisk's SQLite driver does; its id."""
        number = endpoint.partition("@")[0]
        id = id or f"{endpoint};@{uuid4().hex}"
        row = {
            "id": id,
            "uri": f"sip:{number}@192.0.2.44:5062^3Btransport=tcp",
            "expiration_time": int(self.now.timestamp()) + expires_in,
            "user_agent": "Phone/2.1",
            "reg_server": "ast-1",
            "via_addr": "192.0.2.44",
            "via_port": 5062,
            "call_id": "f81d4fae",
            "endpoint": endpoint,
            **columns,
        }
        self.sql(f"INSERT INTO ps_contacts ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *row.values())
        return id

    def refuse(self, action: str, table: str, when: str) -> None:
        """Let the database itself refuse an UPDATE or DELETE of the rows of which `when` is true, until `allow`."""
        self.ground.refuse("refused", action, table, when)
        self._refused = table

    def allow(self) -> None:
        """After `refuse`."""
        if self._refused:
            self.ground.allow("refused", self._refused)
        self._refused = ""

    def allow_null(self) -> None:
        """Let every column of `ps_contacts` be NULL, as in Asterisk's own schema."""
        self.ground.allow_null()

    def close(self) -> None:
        self.ringback.database.close()

    async def end(self) -> None:
        """The same with the ways to it."""
        await self.stack.aclose()
        self.allow()
        self.ground.rest()
        for one in self.started:
            await one.aclose()
            one.database.close()


MakeWorld = Callable[..., World]
