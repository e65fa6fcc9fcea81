"""The registrar as its typed client sees it: in process, over a socket and over a broker alike."""

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ringback.clients.registrar import FAILURES, REGISTRAR, RegistrarClient
from ringback.kit.errors import (
    DatabaseUnavailable,
    Failure,
    Internal,
    InvalidPageToken,
    PeerUnavailable,
    ValidationFailed,
)
from ringback.kit.routing import Found
from ringback.kit.rpc import Send, Serve
from ringback.kit.secret import Secret
from ringback.registrar.contacts.model import ContactNotFound
from ringback.registrar.directs.model import (
    DirectFlagsConflict,
    DirectNotEnabled,
    DirectNotFound,
    LookupRateLimited,
)
from ringback.registrar.directs.wire import DirectFilters
from ringback.registrar.extensions.model import ExtensionNotFound, NumberTaken
from ringback.registrar.extensions.wire import (
    ChangeExtension,
    ExtensionFilters,
    ExtensionOverRpc,
    NewExtensionOfCustomer,
)
from ringback.registrar.metrics import Metrics
from ringback.registrar.realms.model import CustomerDeleted, CustomerFrozen, RealmNotFound, Status
from ringback.registrar.trunks.model import DomainTaken, TrunkNotFound
from ringback.registrar.trunks.wire import ChangeTrunk, NewTrunkOfCustomer, TrunkFilters, TrunkOverRpc
from ringback.routes import RPC
from ringback.server import SOCKET
from ringback.transports import amqp, local, memory
from tests.house import ROOT
from tests.servers.fixtures import MakeVhost
from tests.world import PASSWORD, World

if TYPE_CHECKING:
    from tests.servers.rabbitmq import RabbitMq

METHODS = sorted(name for name in vars(RegistrarClient) if not name.startswith("_"))


@dataclass
class Desk:
    """A client of a world, and what it sent."""

    world: World
    client: RegistrarClient
    sent: list[dict[str, Any]] = field(default_factory=list)

    @property
    def routes(self) -> set[tuple[str, str]]:
        """The routes of the service that were asked for."""
        found = [RPC.find(one["method"], one["uri"].partition("?")[0]) for one in self.sent]
        return {(one.route.method, one.route.pattern) for one in found if isinstance(one, Found)}

    async def connect(self, domain_name: str = "carrier-a", **more: Any) -> TrunkOverRpc:
        given = {"auth_types": ("basic", "ip"), "username": "pbx01", "allowed_ips": ("203.0.113.7",), **more}
        asked = NewTrunkOfCustomer(customer_id=self.world.customer, domain_name=domain_name, **given)
        return await self.client.trunk_create(asked)

    async def create(self, number: str = "1001", **more: Any) -> ExtensionOverRpc:
        asked = NewExtensionOfCustomer(customer_id=self.world.customer, extension=number, **more)
        return await self.client.extension_create(asked)


def desk_of(world: World, send: Send) -> Desk:
    sent: list[dict[str, Any]] = []

    async def noted(target: str, envelope: bytes, seconds: float) -> bytes:
        sent.append(msgspec.json.decode(envelope))
        return await send(target, envelope, seconds)

    return Desk(world, RegistrarClient(noted, "call-manager"), sent)


@pytest.fixture(params=["in process", "socket", pytest.param("broker", marks=pytest.mark.process)])
async def desk(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> AsyncIterator[Desk]:
    serve = world.ringback.rpc.serve
    if request.param == "in process":
        yield desk_of(world, memory.services({REGISTRAR: serve}))
    elif request.param == "socket":
        path = tmp_path / "registrar.sock"
        async with local.serving(path, serve):
            yield desk_of(world, local.sockets({REGISTRAR: path}))
    else:
        url = request.getfixturevalue("rabbitmq").url(request.getfixturevalue("make_vhost")())
        async with at_broker(url, serve), amqp.client(url) as send:
            yield desk_of(world, send)


@asynccontextmanager
async def at_broker(url: str, serve: Serve) -> AsyncIterator[None]:
    """The registrar at its queue."""
    broker = amqp.Broker(url, amqp.Topology.of("registrar-manager"))
    broker.serve(serve)
    await broker.start()
    yield
    await broker.drain(1)
    await broker.close()


Call = Callable[[Desk, ExtensionOverRpc, TrunkOverRpc], Awaitable[object]]
"""Something that is asked when there is one extension, 1001, and one trunk, carrier-a."""

GOOD: dict[str, Call] = {
    "contact_list": lambda at, one, trunk: at.client.contact_list(one.customer_id, "1001"),
    "contact_delete": lambda at, one, trunk: at.client.contact_delete(one.customer_id, "1001"),
    "contact_refresh": lambda at, one, trunk: at.client.contact_refresh(one.customer_id, "1001"),
    "extension_count": lambda at, one, trunk: at.client.extension_count(one.customer_id),
    "extension_create": lambda at, one, trunk: at.create("1002"),
    "extension_delete": lambda at, one, trunk: at.client.extension_delete(one.id),
    "extension_direct_get_by_hash": lambda at, one, trunk: at.client.extension_direct_get_by_hash(one.direct_hash),
    "extension_direct_list": lambda at, one, trunk: at.client.extension_direct_list(DirectFilters(id=one.direct_id)),
    "extension_direct_regenerate": lambda at, one, trunk: at.client.extension_direct_regenerate(one.id),
    "extension_get": lambda at, one, trunk: at.client.extension_get(one.id),
    "extension_get_by_direct_hash": lambda at, one, trunk: at.client.extension_get_by_direct_hash(one.direct_hash),
    "extension_get_by_number": lambda at, one, trunk: at.client.extension_get_by_number(one.customer_id, "1001"),
    "extension_list": lambda at, one, trunk: at.client.extension_list(ExtensionFilters(id=one.id)),
    "trunk_count": lambda at, one, trunk: at.client.trunk_count(one.customer_id),
    "trunk_create": lambda at, one, trunk: at.connect("carrier-b"),
    "trunk_delete": lambda at, one, trunk: at.client.trunk_delete(trunk.id),
    "trunk_get": lambda at, one, trunk: at.client.trunk_get(trunk.id),
    "trunk_get_by_domain_name": lambda at, one, trunk: at.client.trunk_get_by_domain_name("carrier-a"),
    "trunk_list": lambda at, one, trunk: at.client.trunk_list(TrunkFilters(id=trunk.id)),
    "trunk_update": lambda at, one, trunk: at.client.trunk_update(trunk.id, ChangeTrunk(name="new")),
    "customer_domain_get_by_realm": lambda at, one, trunk: at.client.customer_domain_get_by_realm(one.realm),
    "extension_update": lambda at, one, trunk: at.client.extension_update(one.id, ChangeExtension(name="new")),
}
"""A call of each method that the service grants."""


@pytest.mark.contract("registrar R-86")
@pytest.mark.parametrize("method", GOOD)
async def test_every_method_asks_once_and_is_granted(desk: Desk, method: str) -> None:
    one, trunk = await desk.create(direct=True), await desk.connect()
    desk.sent.clear()

    await GOOD[method](desk, one, trunk)

    assert len(desk.sent) == 1


@pytest.mark.contract("registrar R-86")
async def test_every_rpc_has_its_method_and_every_method_its_rpc(desk: Desk) -> None:
    one, trunk = await desk.create(direct=True), await desk.connect()

    for method in sorted(GOOD, key=lambda name: ("_delete" in name, "_regenerate" in name, name)):
        await GOOD[method](desk, one, trunk)

    assert sorted(GOOD) == METHODS
    assert desk.routes == {(route.method, route.pattern) for route in RPC}


@pytest.mark.contract("registrar R-86")
async def test_every_envelope_names_who_asks_and_a_request_of_its_own(desk: Desk) -> None:
    for number in range(3):
        await desk.create(str(number))

    assert {one["publisher"] for one in desk.sent} == {"call-manager"}
    assert len({one["request_id"] for one in desk.sent}) == 3


@pytest.mark.contract("registrar R-86")
async def test_an_extension_comes_back_typed_from_its_making_to_its_end(desk: Desk) -> None:
    client, customer = desk.client, desk.world.customer

    made = await desk.create("1001", password=Secret(PASSWORD), username="one", name="Front desk", direct=True)
    other = await desk.create("1002")

    assert (made.extension, made.username, made.name, made.password) == ("1001", "one", "Front desk", PASSWORD)
    assert made.customer_id == customer
    assert made.endpoint_id == f"1001@{made.realm}"
    assert made.tm_create.tzinfo is UTC
    shown = msgspec.structs.replace(made, password="")
    assert await client.extension_get(made.id) == shown
    assert await client.extension_get_by_number(customer, "1001") == shown
    assert await client.extension_get_by_direct_hash(f"direct.{made.direct_hash}", source="192.0.2.1") == shown
    assert await client.extension_count(customer) == 2
    assert len(other.password) == 24
    assert other.direct_id == UUID(int=0)

    changed = await client.extension_update(made.id, ChangeExtension(name="Back office", password_regenerate=True))
    assert changed.name == "Back office"
    assert len(changed.password) == 24
    renewed = await client.extension_direct_regenerate(made.id)
    assert renewed.direct_hash not in ("", made.direct_hash)
    assert (await client.extension_update(made.id, ChangeExtension(direct=False))).direct_hash == ""

    deleted = await client.extension_delete(made.id)
    assert deleted.tm_delete is not None
    assert await client.extension_count(customer) == 1


async def test_a_list_has_filters_and_pages(desk: Desk) -> None:
    client, customer = desk.client, desk.world.customer
    made = [await desk.create(number) for number in ("1", "2", "3")]
    of_customer = ExtensionFilters(customer_id=customer)

    newest = await client.extension_list(of_customer, page_size=2)
    token = newest[-1].tm_create.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    rest = await client.extension_list(of_customer, page_size=2, page_token=token)

    assert [one.id for one in (*newest, *rest)] == [one.id for one in reversed(made)]
    assert await client.extension_list(ExtensionFilters(customer_id=uuid4())) == []
    (found,) = await client.extension_list(ExtensionFilters(customer_id=customer, extension="2"))
    assert found.id == made[1].id
    await client.extension_delete(found.id)
    (gone,) = await client.extension_list(ExtensionFilters(id=found.id, deleted=True))
    assert gone.tm_delete is not None
    assert await client.extension_list(ExtensionFilters(id=found.id, deleted=False)) == []


async def test_directs_come_back_typed(desk: Desk) -> None:
    made = await desk.create(direct=True)

    direct = await desk.client.extension_direct_get_by_hash(made.direct_hash.upper())

    assert (direct.id, direct.extension_id, direct.hash) == (made.direct_id, made.id, made.direct_hash)
    assert (direct.customer_id, direct.tm_create) == (made.customer_id, made.tm_create)
    assert await desk.client.extension_direct_list(DirectFilters(extension_id=made.id)) == [direct]
    assert await desk.client.extension_direct_list(DirectFilters(extension_id=made.id, deleted=True)) == []


async def test_contacts_come_back_typed_and_a_refresh_says_nothing(desk: Desk) -> None:
    made, client, customer = await desk.create(), desk.client, desk.world.customer
    assert await client.contact_list(customer, "1001") == []
    id = desk.world.register(made.endpoint_id)

    await client.contact_refresh(customer, "1001")

    (contact,) = await client.contact_list(customer, "1001")
    assert (contact.id, contact.via_port, contact.endpoint) == (id, 5062, made.endpoint_id)
    assert contact.uri == "sip:1001@192.0.2.44:5062^3Btransport=tcp"
    assert await client.contact_list(customer, "nobody") == []
    assert await client.contact_delete(customer, "nobody") == []
    with pytest.raises(ContactNotFound):
        await client.contact_delete(customer, "1001", "another")
    assert [gone.id for gone in await client.contact_delete(customer, "1001", id)] == [id]
    assert await client.contact_list(customer, "1001") == []


@pytest.mark.contract("registrar R-86")
async def test_a_trunk_comes_back_typed_from_its_making_to_its_end(desk: Desk) -> None:
    client, customer = desk.client, desk.world.customer

    made = await desk.connect("carrier-a", name="Carrier A", password=Secret(PASSWORD))
    other = await desk.connect("carrier-b", auth_types=("ip",), username=None)

    assert (made.customer_id, made.domain_name, made.name, made.password) == (
        customer,
        "carrier-a",
        "Carrier A",
        PASSWORD,
    )
    assert (made.auth_types, made.allowed_ips) == (("basic", "ip"), ("203.0.113.7",))
    assert other.password == ""
    shown = msgspec.structs.replace(made, password="")
    assert await client.trunk_get(made.id) == shown
    assert await client.trunk_get_by_domain_name("Carrier-A") == shown
    assert await client.trunk_count(customer) == 2
    (second,) = await client.trunk_list(TrunkFilters(customer_id=customer), page_size=1)
    assert second.id == other.id
    assert await client.trunk_list(TrunkFilters(customer_id=customer, domain_name="carrier-a")) == [shown]

    changed = await client.trunk_update(made.id, ChangeTrunk(allowed_ips=("198.51.100.0/28",), detail="new"))
    assert (changed.allowed_ips, changed.detail, changed.name) == (("198.51.100.0/28",), "new", "Carrier A")
    assert (await client.trunk_delete(made.id)).tm_delete is not None
    assert await client.trunk_count(customer) == 1


async def test_a_realm_leads_to_its_customer(desk: Desk) -> None:
    await desk.world.label("acme")
    made = await desk.create()

    domain = await desk.client.customer_domain_get_by_realm(made.realm.upper())

    assert (domain.customer_id, domain.domain_label, domain.realm) == (desk.world.customer, "acme", made.realm)


@pytest.mark.parametrize("number", ["+49.30-1_x", "..", "%41", "1+1"])
async def test_a_number_with_odd_letters_is_found_or_not_there(desk: Desk, number: str) -> None:
    if "%" in number:
        with pytest.raises(ExtensionNotFound):
            await desk.client.extension_get_by_number(desk.world.customer, number)
        return
    made = await desk.create(number)

    found = await desk.client.extension_get_by_number(desk.world.customer, number)

    assert found.id == made.id


CONFLICT = ChangeExtension(direct=False, direct_regenerate=True)
REFUSALS: list[tuple[Call, type[Failure], list[str]]] = [
    (lambda at, one, trunk: at.create(), NumberTaken, ["extension"]),
    (lambda at, one, trunk: at.create("a b", name="\n"), ValidationFailed, ["extension", "name"]),
    (lambda at, one, trunk: at.create("2", password=Secret("short")), ValidationFailed, ["password"]),
    (lambda at, one, trunk: at.client.extension_get(uuid4()), ExtensionNotFound, []),
    (lambda at, one, trunk: at.client.extension_update(uuid4(), ChangeExtension(name="x")), ExtensionNotFound, []),
    (lambda at, one, trunk: at.client.extension_delete(uuid4()), ExtensionNotFound, []),
    (lambda at, one, trunk: at.client.extension_direct_regenerate(one.id), DirectNotEnabled, []),
    (
        lambda at, one, trunk: at.client.extension_update(one.id, CONFLICT),
        DirectFlagsConflict,
        [],
    ),
    (lambda at, one, trunk: at.client.extension_list(ExtensionFilters()), ValidationFailed, ["customer_id"]),
    (
        lambda at, one, trunk: at.client.extension_list(ExtensionFilters(id=one.id), page_size=0),
        ValidationFailed,
        ["page_size"],
    ),
    (
        lambda at, one, trunk: at.client.extension_list(ExtensionFilters(id=one.id), page_token="x"),
        InvalidPageToken,
        [],
    ),
    (lambda at, one, trunk: at.client.extension_count(UUID(int=0)), ValidationFailed, ["customer_id"]),
    (lambda at, one, trunk: at.client.extension_get_by_number(one.customer_id, "x/y"), ExtensionNotFound, []),
    (lambda at, one, trunk: at.client.extension_direct_get_by_hash("0" * 12), DirectNotFound, []),
    (lambda at, one, trunk: at.client.extension_direct_get_by_hash(""), ValidationFailed, ["hash"]),
    (lambda at, one, trunk: at.client.extension_get_by_direct_hash("0" * 12), DirectNotFound, []),
    (lambda at, one, trunk: at.client.extension_direct_list(DirectFilters()), ValidationFailed, ["customer_id"]),
    (lambda at, one, trunk: at.connect("CARRIER-A"), DomainTaken, ["domain_name"]),
    (lambda at, one, trunk: at.connect("1", username=""), ValidationFailed, ["domain_name", "username"]),
    (lambda at, one, trunk: at.client.trunk_get(one.id), TrunkNotFound, []),
    (lambda at, one, trunk: at.client.trunk_get_by_domain_name("a/b"), TrunkNotFound, []),
    (lambda at, one, trunk: at.client.trunk_update(one.id, ChangeTrunk(name="x")), TrunkNotFound, []),
    (lambda at, one, trunk: at.client.trunk_delete(one.id), TrunkNotFound, []),
    (
        lambda at, one, trunk: at.client.trunk_list(TrunkFilters(), page_token="x"),
        ValidationFailed,
        ["customer_id"],
    ),
    (lambda at, one, trunk: at.client.trunk_list(TrunkFilters(id=one.id), page_token="x"), InvalidPageToken, []),
    (lambda at, one, trunk: at.client.trunk_count(UUID(int=0)), ValidationFailed, ["customer_id"]),
    (lambda at, one, trunk: at.client.customer_domain_get_by_realm("x"), RealmNotFound, []),
    (lambda at, one, trunk: at.client.contact_list(one.customer_id, ""), ValidationFailed, ["extension"]),
    (
        lambda at, one, trunk: at.client.contact_refresh(UUID(int=0), ""),
        ValidationFailed,
        ["customer_id", "extension"],
    ),
]


@pytest.mark.contract("registrar R-86")
@pytest.mark.parametrize(("ask", "kind", "faulty"), REFUSALS, ids=[kind.__name__ for _, kind, _ in REFUSALS])
async def test_a_refusal_is_the_class_that_the_service_raised_with_its_faults(
    desk: Desk, ask: Call, kind: type[Failure], faulty: list[str]
) -> None:
    one, trunk = await desk.create(), await desk.connect()

    with pytest.raises(Failure) as caught:
        await ask(desk, one, trunk)

    assert type(caught.value) is kind
    assert (caught.value.reason, caught.value.sentence) == (kind.reason, kind().sentence)
    assert sorted(fault.field for fault in caught.value.faults) == faulty


@pytest.mark.contract("registrar R-86")
async def test_what_befalls_the_customer_or_the_service_is_typed_as_well(desk: Desk) -> None:
    world = desk.world
    for _ in range(10):
        with pytest.raises(DirectNotFound):
            await desk.client.extension_direct_get_by_hash("0" * 12, source="192.0.2.1")
    with pytest.raises(LookupRateLimited):
        await desk.client.extension_get_by_direct_hash("0" * 12, source="192.0.2.1")
    await world.set_status(Status.FROZEN)
    with pytest.raises(CustomerFrozen):
        await desk.create()
    await world.set_status(Status.DELETED)
    with pytest.raises(CustomerDeleted):
        await desk.create()
    world.fail_at(0, RuntimeError("disk on fire"))
    with pytest.raises(Internal) as caught:
        await desk.client.extension_get(uuid4())
    assert "fire" not in str(caught.value)
    world.fail_at(0, TimeoutError())
    with pytest.raises(DatabaseUnavailable):
        await desk.client.extension_get(uuid4())


def descendants(kind: type[Failure]) -> set[type[Failure]]:
    return {kind}.union(*(descendants(child) for child in kind.__subclasses__()))


def test_every_error_of_the_registrar_has_its_class_in_the_client() -> None:
    own = {kind for kind in descendants(Failure) if kind.__module__.startswith("ringback.registrar.")}
    own = {kind for kind in own if not re.search(r"\.(plans|imports|setups)\.", kind.__module__)}  # never over RPC

    assert {kind for kind in own if "reason" in vars(kind)} - set(FAILURES) == set()
    assert len({kind.reason for kind in FAILURES}) == len(FAILURES)


@pytest.mark.sqlite
@pytest.mark.contract("registrar R-86")
async def test_the_registrar_is_left_alone_after_five_silences_and_asked_again_after_thirty_seconds(
    world: World,
) -> None:
    asked: list[float] = []

    async def send(target: str, envelope: bytes, seconds: float) -> bytes:
        asked.append(seconds)
        if len(asked) <= 5:
            await asyncio.Event().wait()
        return await world.ringback.rpc.serve(envelope)

    client = RegistrarClient(send, "test", timeout=0.0, clock=lambda: world.ticks)
    for _ in range(9):
        with pytest.raises(PeerUnavailable) as caught:
            await client.extension_count(world.customer)
        assert caught.value.reason == "PEER_UNAVAILABLE"
    assert asked == [0.0] * 5

    world.wait(30)

    assert await client.extension_count(world.customer) == 0


async def test_a_socket_that_nobody_serves_is_a_peer_that_was_not_asked(tmp_path: Path) -> None:
    for send in (
        local.sockets({REGISTRAR: tmp_path / "none.sock"}),
        local.sockets({REGISTRAR: tmp_path / "no" / "folder.sock"}),
        local.sockets({}),
        memory.services({}),
    ):
        with pytest.raises(PeerUnavailable) as caught:
            await RegistrarClient(send, "test").extension_get(uuid4())
        assert not caught.value.asked


async def test_a_socket_that_closes_without_a_word_is_no_reply(tmp_path: Path) -> None:
    async def close(envelope: bytes) -> bytes:
        raise ConnectionResetError

    path = tmp_path / "registrar.sock"
    async with local.serving(path, close):
        with pytest.raises(local.NoReply):
            await RegistrarClient(local.sockets({REGISTRAR: path}), "test").extension_get(uuid4())


@pytest.mark.contract("registrar R-86")
async def test_what_is_asked_is_counted_under_the_names_of_the_contract(world: World) -> None:
    async def silent(target: str, envelope: bytes, seconds: float) -> bytes:
        raise TimeoutError

    metrics = Metrics(CollectorRegistry())
    answered = RegistrarClient(memory.services({REGISTRAR: world.ringback.rpc.serve}), "test", observer=metrics)
    with pytest.raises(ExtensionNotFound):
        await answered.extension_get(uuid4())
    unanswered = RegistrarClient(silent, "test", target="elsewhere", observer=metrics)
    for _ in range(7):
        with pytest.raises(PeerUnavailable):
            await unanswered.extension_get(uuid4())

    shown = generate_latest(metrics.registry).decode()
    route = 'method="GET",resource="/v1/extensions/<extension-id>"'
    assert f'request_process_time_count{{{route},target="{REGISTRAR}"}} 1.0' in shown
    assert f'registrar_manager_request_process_time_count{{{route},target="elsewhere"}} 5.0' in shown
    assert f'registrar_manager_circuitbreaker_state{{target="{REGISTRAR}"}} 0.0' in shown
    assert 'registrar_manager_circuitbreaker_state{target="elsewhere"} 1.0' in shown
    assert 'registrar_manager_circuitbreaker_rejected_total{target="elsewhere"} 2.0' in shown


async def test_a_socket_is_closed_when_the_asker_gives_up(tmp_path: Path) -> None:
    taken, path = asyncio.Event(), tmp_path / "registrar.sock"

    async def never(envelope: bytes) -> bytes:
        taken.set()
        await asyncio.Event().wait()
        return b""

    async with local.serving(path, never):
        asking = asyncio.create_task(local.ask(path, b"{}"))
        await taken.wait()
        asking.cancel()
        await asyncio.wait([asking])
    assert asking.cancelled()
    del asking
    gc.collect()


EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs/contracts/registrar.md").read_text(), re.DOTALL)


def example_with(word: str) -> dict[str, Any]:
    """What the one example of the contract that has this word makes."""
    (example,) = [text for text in EXAMPLES if word in text]
    names: dict[str, Any] = {}
    exec(example, names)
    return names


@pytest.mark.contract("registrar R-86")
async def test_the_example_of_the_contract_runs(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    front_desk = example_with("rpc.sock")["front_desk"]
    monkeypatch.chdir(tmp_path)
    Path("var").mkdir()

    async with local.serving(Path("var") / SOCKET, world.ringback.rpc.serve):
        first, again = [await front_desk(world.customer) for _ in range(2)]

    assert len(first) == 12
    assert again == first


@pytest.mark.process
@pytest.mark.contract("registrar R-86")
async def test_the_example_of_the_contract_runs_over_a_broker(
    world: World, rabbitmq: "RabbitMq", make_vhost: MakeVhost
) -> None:
    url = rabbitmq.url(make_vhost())
    await world.create("1001")

    async with at_broker(url, world.ringback.rpc.serve):
        assert await example_with("amqp.client")["phones"](url, world.customer) == 1
