"""Creating an extension, by the wire."""

import asyncio

import pytest

from tests.world import World


@pytest.mark.contract("registrar R-18")
async def test_a_taken_number_changes_nothing_and_tells_no_one(world: World) -> None:
    await world.create("1001a")
    before = world.everything()

    reply = await world.rpc("POST", "/v1/extensions", world.asked("1001A", name="second"))

    assert (reply.status_code, reply.reason) == (409, "EXTENSION_ALREADY_EXISTS")
    assert world.everything() == before


@pytest.mark.contract("registrar R-18")
async def test_fifty_at_once_make_one(world: World) -> None:
    replies = await asyncio.gather(*(world.rpc("POST", "/v1/extensions", world.asked()) for _ in range(50)))

    assert sorted(reply.status_code for reply in replies) == [200, *[409] * 49]
