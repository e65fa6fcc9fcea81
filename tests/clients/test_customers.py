"""The customer manager as its typed client sees it."""

from uuid import UUID, uuid4

import msgspec
import pytest

from ringback.clients.customers import CUSTOMER_MANAGER, REFUSALS, CustomerClient
from ringback.customers import service as customers
from ringback.customers.model import CustomerExists, CustomerNotFound
from ringback.customers.wire import CustomerFilters
from ringback.kit.errors import Failure, InvalidPageToken, PeerUnavailable, ValidationFailed
from ringback.kit.rpc import Send
from ringback.routes import CUSTOMER_RPC
from ringback.transports import memory
from tests.clients.test_registrar import descendants
from tests.world import World


def desk(world: World, asked: list[tuple[str, str]]) -> CustomerClient:
    """A client of a world; `asked` gets what it asks for."""
    send: Send = memory.services({CUSTOMER_MANAGER: world.ringback.customers.serve})

    async def noted(target: str, envelope: bytes, seconds: float) -> bytes:
        sent = msgspec.json.decode(envelope)
        asked.append((sent["method"], sent["uri"]))
        return await send(target, envelope, seconds)

    return CustomerClient(noted, "test")


async def test_each_rpc_has_a_method_which_gives_what_rest_shows(world: World) -> None:
    asked: list[tuple[str, str]] = []
    client = desk(world, asked)
    made = await world.name(limit_trunk=3)

    one = await client.customer_get(world.customer)
    many = await client.customer_list()

    assert (one.id, one.name, one.status, one.limit_trunk, one.limit_extension) == (made.id, "Acme", "active", 3, None)
    assert list(many) == [one]
    assert {uri.replace(str(world.customer), "<customer-id>") for _, uri in asked} == {
        route.pattern for route in CUSTOMER_RPC
    }


async def test_a_list_is_filtered_and_goes_on_at_the_last_tm_create(world: World) -> None:
    client = desk(world, [])
    ids: list[UUID] = []
    for number in range(3):
        world.customer = uuid4()
        ids.append((await world.name(f"n{number}")).id)

    first = await client.customer_list(page_size=2)
    token = first[-1].tm_create.isoformat().replace("+00:00", "Z")
    rest = await client.customer_list(page_size=2, page_token=token)

    assert [one.id for one in (*first, *rest)] == ids[::-1]
    assert [one.id for one in await client.customer_list(CustomerFilters(name="n1", status="active"))] == [ids[1]]
    assert await client.customer_list(CustomerFilters(deleted=True)) == []
    await world.ringback.work.write(lambda uow: customers.delete(uow, ids[0]))
    for gone in (CustomerFilters(deleted=True), CustomerFilters(status="deleted")):
        assert [one.id for one in await client.customer_list(gone)] == [ids[0]]


async def test_what_is_refused_is_raised_as_what_it_is(world: World) -> None:
    client = desk(world, [])

    with pytest.raises(CustomerNotFound):
        await client.customer_get(uuid4())
    with pytest.raises(InvalidPageToken):
        await client.customer_list(page_token="x")
    with pytest.raises(ValidationFailed) as caught:
        await client.customer_list(page_size=0)
    assert [fault.field for fault in caught.value.faults] == ["page_size"]
    with pytest.raises(PeerUnavailable):
        await CustomerClient(memory.services({}), "test").customer_get(uuid4())


def test_every_error_of_its_reads_has_its_class_in_the_client() -> None:
    own = {kind for kind in descendants(Failure) if kind.__module__ == "ringback.customers.model"}

    assert own - {CustomerExists} - set(REFUSALS) == set()
