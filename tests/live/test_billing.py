"""billing-manager at a real RabbitMQ, asked before each create while it asks us over the same queue (registrar 17)."""

import asyncio
import json
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import pytest

from ringback import first_start, server
from ringback.clients.registrar import REGISTRAR, RegistrarClient
from ringback.kit.dsn import parse_dsn
from ringback.kit.errors import DatabaseUnavailable, PeerUnavailable
from ringback.knobs import load
from ringback.migrations import commands
from ringback.registrar.billing import BILLING
from ringback.registrar.extensions.wire import (
    ChangeExtension,
    ExtensionFilters,
    ExtensionOverRpc,
    NewExtensionOfCustomer,
)
from ringback.registrar.realms.model import LimitExceeded
from ringback.registrar.trunks.wire import NewTrunkOfCustomer, TrunkOverRpc
from ringback.transports import amqp
from tests.billing import BillingManager, said
from tests.cli.conftest import Ran, Shell
from tests.live.amqp import Peer
from tests.patience import ENOUGH
from tests.servers.fixtures import MakeDatabase, MakeVhost
from tests.servers.rabbitmq import RabbitMq

pytestmark = pytest.mark.process

FREE = {"rest_listen_address": "127.0.0.1:0", "prometheus_listen_address": "127.0.0.1:0"}
MANY = 64
T = TypeVar("T")


class Platform:
    """A Ringback, a billing-manager, and a client, all at one broker; each customer is a new one unless named."""

    def __init__(self, started: server.Started, billing: BillingManager, client: RegistrarClient) -> None:
        assert started.keys
        self.keys: first_start.Keys = started.keys
        self.metrics_url = started.metrics_url
        self.billing = billing
        self.client = client

    async def create(self, number: int = 1, customer: UUID | None = None) -> ExtensionOverRpc:
        asked = NewExtensionOfCustomer(customer_id=customer or uuid4(), extension=str(1000 + number))
        return await self.client.extension_create(asked)

    async def connect(self, number: int = 1, customer: UUID | None = None) -> TrunkOverRpc:
        asked = NewTrunkOfCustomer(
            customer_id=customer or uuid4(),
            domain_name=f"carrier-{number}",
            auth_types=("ip",),
            allowed_ips=("203.0.113.7",),
        )
        return await self.client.trunk_create(asked)

    async def post(self, number: int) -> httpx.Response:
        async with httpx.AsyncClient(
            headers={"authorization": f"Bearer {self.keys.customer_key}"}, timeout=ENOUGH
        ) as http:
            return await http.post(f"{self.keys.url}/v1.0/extensions", json={"extension": str(number)})

    async def metrics(self) -> str:
        async with httpx.AsyncClient(timeout=ENOUGH) as http:
            return (await http.get(f"{self.metrics_url}/metrics")).text


@asynccontextmanager
async def billing_at(url: str) -> AsyncIterator[BillingManager]:
    """billing-manager at its queue, by another library than ours."""
    handling: set[asyncio.Task[None]] = set()
    async with Peer.at(url) as peer:
        billing = BillingManager(lambda envelope: peer.ask(envelope, REGISTRAR))

        async def handle(message: Any) -> None:
            answer = await billing.serve(message.body)
            await peer.tell(message.reply_to, answer, correlation_id=message.correlation_id)

        async def on_message(message: Any) -> None:
            handling.add(task := asyncio.create_task(handle(message)))
            task.add_done_callback(handling.discard)

        queue = await peer.channel.declare_queue(BILLING, durable=True)
        await queue.consume(on_message, no_ack=True)
        try:
            yield billing
        finally:
            await queue.cancel(queue.name)
            for task in handling:
                task.cancel()
            await asyncio.gather(*handling, return_exceptions=True)


@pytest.fixture
def url(rabbitmq: RabbitMq, make_vhost: MakeVhost) -> str:
    return rabbitmq.url(make_vhost())


Start = Callable[..., Awaitable[Platform]]


@pytest.fixture
async def start(url: str, template: Path, tmp_path: Path) -> AsyncIterator[Start]:
    """`await start(**settings)`: a platform whose Ringback has these settings, on a file unless they say otherwise."""
    async with AsyncExitStack() as stack:

        async def begin(patience: float = 3.0, **more: Any) -> Platform:
            shutil.copy(template, tmp_path / "ringback.db")
            given = {"ringback_home": tmp_path, "rabbitmq_address": url, "limits": "billing", **FREE, **more}
            billing = await stack.enter_async_context(billing_at(url))
            started = await stack.enter_async_context(server.running(load(given)))
            send = await stack.enter_async_context(amqp.client(url, "a caller"))
            return Platform(started, billing, RegistrarClient(send, "api-manager", timeout=patience))

        yield begin


def on_server(engine: str, make_database: MakeDatabase) -> dict[str, str]:
    """The settings of two new databases of one server, with the schema of today."""
    made = {name: make_database(engine) for name in commands.DATABASES[:2]}
    for name, database in made.items():
        commands.upgrade(name, parse_dsn(database.dsn))
    commands.upgrade("router", parse_dsn(made["bin"].dsn))
    return {f"database_dsn_{name}": database.dsn for name, database in made.items()}


# ---- room or none -----------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-71")
@pytest.mark.parametrize("engine", ["file", "mariadb", "postgresql"])
async def test_64_creates_at_once_all_find_room_while_billing_manager_counts(
    make_database: MakeDatabase, start: Start, engine: str
) -> None:
    """No caller's own 3 s pass, though all of them wait for somebody who asks on the queue that they fill.

    With a server that may take longer on a slow machine: there are more than connections and requests in hand, not all,
    and who is told that nothing was done asks again."""
    is_file = engine == "file"
    databases = {} if is_file else await asyncio.to_thread(on_server, engine, make_database)
    platform = await start(3.0 if is_file else ENOUGH, rpc_prefetch=32 if is_file else 16, **databases)
    turn = asyncio.Semaphore(MANY if is_file else 20)
    customers = [uuid4() for _ in range(8)]  # those of one customer wait for each other, which is another matter

    async def each(do: Callable[[int, UUID], Awaitable[T]]) -> list[T]:
        async def one(number: int) -> T:
            while True:
                try:
                    async with turn:
                        return await do(number, customers[number % 8])
                except (DatabaseUnavailable, PeerUnavailable):
                    if is_file:
                        raise

        return await asyncio.gather(*map(one, range(MANY)))

    made = await each(platform.create)

    assert len({one.id for one in made}) == MANY
    assert [await platform.client.extension_count(customer) for customer in customers] == [MANY // 8] * 8
    assert len(platform.billing.asked) == MANY or not is_file
    assert platform.billing.crowd <= 16
    trunks = await each(platform.connect)
    assert len({one.id for one in trunks}) == MANY
    assert [await platform.client.trunk_count(customer) for customer in customers] == [MANY // 8] * 8


@pytest.mark.contract("registrar R-71")
async def test_no_room_is_told_over_rpc_and_rest_and_by_the_command(start: Start, url: str, tmp_path: Path) -> None:
    platform = await start()
    mine = platform.keys.customer_id
    words = ("extension", "create", "--format", "json", "--rabbitmq_address", url)
    platform.billing.most = 3

    await platform.create(1, mine)
    assert (await platform.post(1002)).status_code == 201
    code, out, _ = await control(tmp_path, *words, "--extension_number", "1003")
    assert (code, json.loads(out)["extension"]) == (0, "1003")

    with pytest.raises(LimitExceeded):
        await platform.create(4, mine)
    refused = await platform.post(1004)
    assert (refused.status_code, refused.json()["error"]["reason"]) == (429, "RESOURCE_LIMIT_EXCEEDED")
    ran = await control(tmp_path, *words, "--extension_number", "1004")
    assert ran == (1, "", "registrar-control: The customer has as many as allowed.\n")
    assert await platform.client.extension_count(mine) == 3
    assert len(platform.billing.asked) == 6


# ---- silence ----------------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-71")
async def test_a_silent_billing_manager_stops_creates_and_nothing_else(start: Start) -> None:
    platform = await start()
    customer = uuid4()
    there = await platform.create(900, customer)
    platform.billing.asked.clear()
    platform.billing.is_silent = True

    extensions = [asyncio.ensure_future(platform.create(number, customer)) for number in range(32)]
    trunks = [asyncio.ensure_future(platform.connect(number, customer)) for number in range(32)]
    post = asyncio.ensure_future(platform.post(1001))
    for _ in range(16):
        await platform.billing.arrived.acquire()
    for number in range(20):
        assert await platform.client.extension_count(customer) == 1
        name = f"name {number}"
        assert (await platform.client.extension_update(there.id, ChangeExtension(name=name))).name == name
    refusals = await asyncio.gather(*extensions, *trunks, return_exceptions=True)

    assert {(type(refusal), str(refusal)) for refusal in refusals} == {(PeerUnavailable, PeerUnavailable().sentence)}
    assert all(isinstance(refusal, PeerUnavailable) and refusal.domain for refusal in refusals), "a caller's 3 s passed"
    assert ((await post).status_code, (await post).json()["error"]["reason"]) == (503, "PEER_UNAVAILABLE")
    assert await platform.client.extension_list(ExtensionFilters(customer_id=customer)) != []
    assert (await platform.client.extension_count(customer), await platform.client.trunk_count(customer)) == (1, 0)
    assert 16 <= platform.billing.crowd < 16 + 5, "half of the prefetch, and who followed before the fifth silence"
    await breaker_is_open(platform)


async def breaker_is_open(platform: Platform) -> None:
    """Nobody is asked any more, all the same there is an answer; and both can be seen from outside."""
    before = len(platform.billing.asked)
    for number in range(5):
        with pytest.raises(PeerUnavailable) as refused:
            await platform.create(number)
        assert refused.value.domain == "registrar-manager"
    assert len(platform.billing.asked) == before
    shown = await platform.metrics()
    assert f'registrar_manager_circuitbreaker_state{{target="{BILLING}"}} 1.0' in shown
    assert f'registrar_manager_circuitbreaker_rejected_total{{target="{BILLING}"}}' in shown
    resource = "/v1/accounts/is_valid_resource_limit_by_customer_id"
    labels = f'method="POST",resource="{resource}",target="{BILLING}"'
    assert f"registrar_manager_request_process_time_count{{{labels}}}" in shown


@pytest.mark.contract("registrar R-71")
async def test_where_there_is_no_billing_manager_this_is_known_at_once(
    url: str, template: Path, tmp_path: Path
) -> None:
    shutil.copy(template, tmp_path / "ringback.db")
    settings = load({"ringback_home": tmp_path, "rabbitmq_address": url, "limits": "billing", **FREE})
    async with server.running(settings), amqp.client(url) as send:
        client = RegistrarClient(send, "api-manager")
        for number in range(20):
            with pytest.raises(PeerUnavailable) as refused:
                await client.extension_create(NewExtensionOfCustomer(customer_id=uuid4(), extension=str(number + 10)))
            assert refused.value.domain == "registrar-manager"


async def test_a_gateway_alone_asks_as_well(url: str, template: Path, tmp_path: Path, rabbitmq: RabbitMq) -> None:
    """It shares a database with a registrar of its own process, and is no consumer of the registrar's queue."""
    shutil.copy(template, tmp_path / "ringback.db")
    settings = {"ringback_home": tmp_path, "rabbitmq_address": url, "limits": "billing", **FREE}
    async with billing_at(url) as billing, server.running(load({**settings, "services": "api-manager"})) as started:
        assert started.keys
        billing.answer = said({"valid": True})
        async with httpx.AsyncClient(
            headers={"authorization": f"Bearer {started.keys.customer_key}"}, timeout=ENOUGH
        ) as http:
            made = await http.post(f"{started.url}/v1.0/extensions", json={"extension": "1001"})
            ready = await http.get(f"{started.metrics_url}/ready")

    assert (made.status_code, len(billing.asked), ready.status_code) == (201, 1, 200)


# ---- the command ------------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-71")
def test_the_command_says_who_does_not_answer(
    url: str, template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(template, tmp_path / "ringback.db")
    shell = Shell(tmp_path, str(uuid4()), capsys)
    create = ("extension", "create", "--extension_number", "1001", "--customer_id", shell.customer, "--limits=billing")

    no_peer, no_host = (shell.control(*create, "--rabbitmq_address", address) for address in (url, f"{url}x"))

    assert no_peer == Ran(1, "", "registrar-control: Another service that is needed does not answer.\n")
    line = "registrar-control: rabbitmq_address: the broker has no such virtual host, or the user may not use it\n"
    assert no_host == Ran(2, "", line)


async def control(home: Path, *words: str) -> tuple[int | None, str, str]:
    """`registrar-control …` with billing-manager's limits, as a process: its exit code and what it said."""
    command = (sys.executable, "-c", "from ringback.start import registrar_control; registrar_control()")
    limits = ("--ringback_home", str(home), "--limits", "billing")
    process = await asyncio.create_subprocess_exec(*command, *words, *limits, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()
