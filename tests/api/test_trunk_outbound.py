"""The trunk that a customer's phones call out by: one of theirs, or none."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.api.test_bulk import faults
from tests.registrar.plans import apply, file, plan, undo
from tests.registrar.test_trunks import KEYS, URI
from tests.world import Reply, World

TAKEN = (409, "TRUNK_OUTBOUND_ALREADY_EXISTS")


async def ways_out(world: World) -> list[str]:
    """Domain names of the trunks that are, by the database."""
    rows = world.sql("SELECT domain_name FROM registrar_trunks WHERE outbound AND tm_delete IS NULL ORDER BY 1")
    return [row["domain_name"] for row in rows]


async def put(world: World, trunk: dict[str, Any], **asked: Any) -> Reply:
    return await world.rpc("PUT", f"{URI}/{trunk['id']}", asked)


async def test_a_trunk_says_so_only_where_it_is(world: World) -> None:
    plain, out = await world.create_trunk("one"), await world.create_trunk("two", outbound=True)

    assert (list(plain), list(out), out["outbound"]) == (KEYS, [*KEYS, "outbound"], True)
    assert [payload.get("outbound") for _, payload in world.events()] == [None, True]
    assert (await put(world, out, name="x", outbound=None)).data["outbound"] is True
    back = (await put(world, out, outbound=False)).data
    assert ("outbound" in back, await ways_out(world)) == (False, [])
    assert (await put(world, out, outbound=False)).data == back


async def test_a_second_one_of_a_customer_is_refused_and_another_customers_is_not(world: World) -> None:
    first, second = await world.create_trunk("one", outbound=True), await world.create_trunk("two")
    before = world.everything()

    asked = world.asked_trunk("three", outbound=True)
    assert (await world.rpc("POST", URI, asked)).refusal == TAKEN
    assert (await put(world, second, outbound=True)).refusal == TAKEN
    assert world.everything() == before

    other = "5f0c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
    await world.create_trunk("theirs", customer_id=other, outbound=True)
    assert (await put(world, first, name="x", outbound=True)).status_code == 200
    await world.rpc("DELETE", f"{URI}/{first['id']}")
    assert (await put(world, second, outbound=True)).status_code == 200
    assert await ways_out(world) == ["theirs", "two"]


async def test_of_those_who_ask_at_once_one_gets_it(world: World) -> None:
    trunks = [await world.create_trunk(f"t{number}") for number in range(6)]
    made = [world.rpc("POST", URI, world.asked_trunk(f"new{number}", outbound=True)) for number in range(6)]

    replies = await asyncio.gather(*(put(world, trunk, outbound=True) for trunk in trunks), *made)

    assert sorted(reply.status_code for reply in replies) == [200, *[409] * 11]
    assert len(await ways_out(world)) == 1


@pytest.mark.parametrize("value", ["true", "false", "", 1, 0, [], {}])
async def test_what_is_neither_true_nor_false_is_refused(world: World, value: Any) -> None:
    trunk = await world.create_trunk()
    before = world.everything()

    for reply in (
        await world.rpc("POST", URI, world.asked_trunk("two", outbound=value)),
        await put(world, trunk, outbound=value),
    ):
        assert reply.status_code == 400
        assert '"outbound"' in str(reply).replace("'", '"')
    assert world.everything() == before


async def test_an_import_names_the_row_that_would_be_a_second(http: httpx.AsyncClient, world: World) -> None:
    text = "domain_name,auth_types,allowed_ips,outbound\none,ip,203.0.113.7,yes\ntwo,ip,203.0.113.7,{}\n"

    async def wrong(body: str) -> list[tuple[int, str]]:
        return faults(await http.post("/v1.0/trunks:import", content=body, headers={"content-type": "text/csv"}))

    assert await wrong(text.format("yes")) == [(3, "outbound")]
    assert await wrong(text.format("maybe")) == [(3, "outbound")]
    assert await wrong(text.format("")) == []
    assert await ways_out(world) == ["one"]
    assert await wrong(text.format("").replace("one", "three")) == [(2, "outbound")]
    exported = (await http.get("/v1.0/trunks:export?format=csv")).text
    assert await wrong(exported) == []
    assert (exported.splitlines()[0].split(",")[-1], exported.count("true")) == ("outbound", 1)


async def test_a_plan_moves_it_from_one_to_another_and_back(world: World) -> None:
    for name in ("one", "two"):
        await world.create_trunk(name, auth_types=["ip"], outbound=name == "two")
    wanted = file("""
version: 1
trunks:
  - {domain_name: one, auth_types: [ip], outbound: true}
  - {domain_name: two, auth_types: [ip], outbound: false}
""")

    await apply(world, wanted)
    assert await ways_out(world) == ["one"]
    assert (await plan(world, wanted)).changes == ()
    await undo(world)
    assert await ways_out(world) == ["two"]
