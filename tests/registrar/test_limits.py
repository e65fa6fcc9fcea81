"""How many extensions and trunks a customer may have."""

import asyncio
from collections import Counter
from uuid import uuid4

import pytest

from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Status
from tests.world import MakeWorld, Reply, World

KINDS = ["extension", "trunk"]


async def make(world: World, kind: str, number: int) -> Reply:
    if kind == "extension":
        return await world.rpc("POST", "/v1/extensions", world.asked(str(1000 + number)))
    return await world.rpc("POST", "/v1/trunks", world.asked_trunk(f"carrier{number}-{world.customer.hex[:4]}"))


async def most(world: World, kind: str, upto: int) -> int:
    """How many can be made, one after the other, of that many."""
    replies = [await make(world, kind, number) for number in range(upto)]
    refused = [reply.refusal for reply in replies if reply.status_code != 200]
    assert set(refused) <= {(429, "RESOURCE_LIMIT_EXCEEDED")}
    return upto - len(refused)


async def limit(world: World, **limits: int) -> None:
    await world.ringback.work.write(lambda uow: realms.set_limits(uow, world.customer, **limits))


@pytest.mark.contract("registrar R-70")
@pytest.mark.parametrize("kind", KINDS)
async def test_five_of_twenty_at_once_fit_under_a_limit_of_five(world: World, kind: str) -> None:
    await limit(world, **{kind: 5})

    replies = await asyncio.gather(*(make(world, kind, number) for number in range(20)))

    assert Counter(reply.status_code for reply in replies) == {200: 5, 429: 15}
    assert {reply.refusal for reply in replies if reply.status_code == 429} == {(429, "RESOURCE_LIMIT_EXCEEDED")}
    assert len(world.sql(f"SELECT id FROM registrar_{kind}s")) == len(world.events()) == 5


@pytest.mark.contract("registrar R-70")
@pytest.mark.parametrize("kind", KINDS)
async def test_processes_that_share_a_database_share_the_limit(make_world: MakeWorld, kind: str) -> None:
    world = make_world(**{f"limit_{kind}_default": 5})
    other = make_world(beside=world, **{f"limit_{kind}_default": 5})
    other.customer = world.customer

    replies = await asyncio.gather(*(make((world, other)[number % 2], kind, number) for number in range(12)))

    assert Counter(reply.status_code for reply in replies) == {200: 5, 429: 7}


@pytest.mark.contract("registrar R-70")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("default", "own", "fit"), [(0, None, 4), (2, None, 2), (2, 3, 3), (3, 1, 1), (2, 0, 4), (0, 2, 2)]
)
async def test_an_own_limit_comes_before_the_default_and_0_is_none(
    make_world: MakeWorld, kind: str, default: int, own: int | None, fit: int
) -> None:
    world = make_world(**{f"limit_{kind}_default": default})
    if own is not None:
        await limit(world, **{kind: own})

    assert await most(world, kind, 4) == fit


@pytest.mark.contract("registrar R-70")
async def test_what_is_beyond_the_limit_leaves_nothing(world: World) -> None:
    await limit(world, extension=1, trunk=1)
    await most(world, "extension", 1)
    await most(world, "trunk", 1)
    before = world.everything()

    assert [(await make(world, kind, 7)).refusal for kind in KINDS] == [(429, "RESOURCE_LIMIT_EXCEEDED")] * 2

    assert world.everything() == before


@pytest.mark.contract("registrar R-70")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_deletion_frees_a_place(world: World, kind: str) -> None:
    await limit(world, **{kind: 2})
    first = await make(world, kind, 0)
    await make(world, kind, 1)

    await world.rpc("DELETE", f"/v1/{kind}s/{first.data['id']}")

    assert [(await make(world, kind, number)).status_code for number in (2, 3)] == [200, 429]


@pytest.mark.contract("registrar R-70")
async def test_each_kind_and_each_customer_has_a_limit_of_its_own(world: World) -> None:
    await limit(world, extension=1)
    await limit(world, trunk=2)

    assert [await most(world, kind, 4) for kind in KINDS] == [1, 2]
    world.customer = uuid4()
    assert [await most(world, kind, 4) for kind in KINDS] == [4, 4]
    world.customer = uuid4()
    await limit(world, trunk=1)
    await limit(world, extension=2)
    assert [await most(world, kind, 4) for kind in KINDS] == [2, 1]


@pytest.mark.contract("registrar R-70")
@pytest.mark.parametrize("kind", KINDS)
async def test_a_limit_below_what_there_is_takes_nothing_away(world: World, kind: str) -> None:
    made = (await make(world, kind, 0)).data
    await make(world, kind, 1)
    await limit(world, **{kind: 1})

    changed = await world.rpc("PUT", f"/v1/{kind}s/{made['id']}", {"name": "new"})

    assert (changed.status_code, changed.data["name"]) == (200, "new")
    assert (await make(world, kind, 2)).refusal == (429, "RESOURCE_LIMIT_EXCEEDED")


@pytest.mark.contract("registrar R-70, R-28")
@pytest.mark.parametrize(
    ("status", "reason"), [(Status.FROZEN, "CUSTOMER_FROZEN"), (Status.DELETED, "CUSTOMER_DELETED")]
)
async def test_a_state_is_told_before_a_limit(world: World, status: Status, reason: str) -> None:
    await limit(world, extension=1, trunk=1)
    for kind in KINDS:
        await make(world, kind, 0)
    await world.set_status(status)

    assert [(await make(world, kind, 1)).refusal for kind in KINDS] == [(409, reason)] * 2


@pytest.mark.contract("registrar R-70")
async def test_a_limit_outlives_a_freeze(world: World) -> None:
    await limit(world, extension=1)
    for type in ("customer_frozen", "customer_recovered"):
        await world.tell(type)

    assert await most(world, "extension", 3) == 1


@pytest.mark.contract("registrar R-70")
async def test_a_limit_is_told_over_rest(world: World) -> None:
    await limit(world, extension=1)
    await world.create("1001")
    async with await world.http() as http:
        refused = await http.post("/v1.0/extensions", json={"extension": "1002"})

    assert (refused.status_code, refused.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert refused.json()["error"]["reason"] == "RESOURCE_LIMIT_EXCEEDED"
