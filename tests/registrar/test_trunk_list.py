"""Lists of trunks, by the wire."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.registrar.test_trunks import URI
from tests.world import START, World

NAMES = "id,customer_id,name,domain_name,auth_types,realm,username,allowed_ips,tm_create,tm_delete"


def insert(world: World, number: int, microseconds: int, *, deleted: bool = False) -> str:
    """A trunk as another writer might leave it, made that long after the start; its id."""
    id = uuid4()
    at = (START + timedelta(microseconds=microseconds)).strftime("%Y-%m-%d %H:%M:%S.%f")
    name = f"t{id.hex[:8]}-{number}"
    values = (id.bytes, world.customer.bytes, "n", name, '["ip"]', "r", f"u{number}", '["10.0.0.1"]')
    world.sql(
        f"INSERT INTO registrar_trunks ({NAMES}) VALUES ({','.join('?' * 10)})", *values, at, at if deleted else None
    )
    return str(id)


async def found(world: World, query: str = "", **filters: Any) -> list[str]:
    reply = await world.rpc("GET", f"{URI}{query}", {"customer_id": str(world.customer), **filters})
    return [row["id"] for row in reply.data]


@pytest.mark.contract("registrar R-29")
@pytest.mark.parametrize(
    ("query", "filters", "faulty"),
    [
        ("?page_size=0", {}, ["page_size"]),
        ("?page_size=-1", {}, ["page_size"]),
        ("?page_size=x", {}, ["page_size"]),
        ("?page_size=101", {"deleted": "true"}, ["deleted", "page_size"]),
        ("", {"deleted": None}, ["deleted"]),
        ("", {"customer_id": "x"}, ["customer_id"]),
        ("", {"customer_id": None}, ["customer_id"]),
        ("", {"id": str(UUID(int=0))}, ["id"]),
        ("", {"domain_name": 7, "username": ["u"], "realm": None}, ["domain_name", "realm", "username"]),
    ],
)
async def test_a_wrong_page_or_filter_is_named(world: World, query: str, filters: Any, faulty: list[str]) -> None:
    reply = await world.rpc("GET", f"{URI}{query}", {"customer_id": str(world.customer), **filters})

    assert (reply.refusal, sorted(reply.faulty)) == ((400, "VALIDATION_FAILED"), faulty)


@pytest.mark.contract("registrar R-29")
async def test_a_list_is_of_one_customer_or_of_one_id(world: World) -> None:
    made = await world.create_trunk()

    assert (await world.rpc("GET", URI, {"domain_name": "carrier-a"})).faulty == ["customer_id"]
    assert (await world.rpc("GET", URI, {"id": made["id"]})).data == [{**made, "password": ""}]
    assert await found(world, customer_id=str(uuid4())) == []


@pytest.mark.contract("registrar R-29")
async def test_filters_are_equal_and_anded_and_a_page_has_100_rows_at_most(world: World) -> None:
    made = await world.create_trunk("carrier-a", name="A")
    with world.bulk():
        ids = [insert(world, number, number) for number in range(101)]
        gone = insert(world, 999, 500, deleted=True)

    assert await found(world, unknown="x", page_size=3) == [made["id"], *ids[:1:-1]]
    assert await found(world, "?page_size=2&page_token=2026-02-11T09:30:01.000000Z") == ids[:-3:-1]
    assert await found(world, deleted=True) == [gone]
    assert await found(world, id=ids[7].upper()) == await found(world, username="u7", realm="r") == [ids[7]]
    exact = {"name": "A", "domain_name": "carrier-a", "realm": made["realm"], "username": "pbx01", "deleted": False}
    assert await found(world, **exact) == [made["id"]]
    for name, value in exact.items():
        if isinstance(value, str):
            assert await found(world, **{name: value}) == [made["id"]]
            assert await found(world, **{**exact, name: value.swapcase()}) == []
            assert await found(world, **{name: f"{value[:1]}%"}) == []


@pytest.mark.contract("registrar R-30")
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(moments=st.lists(st.integers(0, 4), max_size=12), size=st.integers(1, 5), gone=st.booleans())
async def test_a_walk_by_timestamps_sees_each_trunk_once_whatever_shares_a_moment(
    world: World, moments: list[int], size: int, gone: bool
) -> None:
    world.customer = uuid4()
    with world.bulk():
        ids = [insert(world, number, moment, deleted=gone) for number, moment in enumerate(moments)]
        insert(world, 99, 3, deleted=not gone)

    of: dict[str, Any] = {"customer_id": str(world.customer), "deleted": gone}
    seen: list[str] = []
    token = ""
    while page := (await world.rpc("GET", f"{URI}?page_size={size}&page_token={token}", of)).data:
        seen += [row["id"] for row in page]
        assert len(seen) <= len(ids)
        token = page[-1]["tm_create"]

    assert sorted(seen) == sorted(ids)


@pytest.mark.contract("registrar R-30")
async def test_trunks_made_at_one_moment_still_have_moments_of_their_own(world: World) -> None:
    world.frozen = True

    made = [(await world.create_trunk(f"carrier-{number}"))["tm_create"] for number in range(3)]

    assert made == [f"2026-02-11T09:30:00.12345{number}Z" for number in (6, 7, 8)]
