"""Fixtures of the REST tests: a client with a customer's key, one with the operator's."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.api.planted import Plant
from tests.world import World


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """REST with a key of the world's customer."""
    async with await world.http() as client:
        yield client


@pytest.fixture
async def operator(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """REST with the platform operator's key."""
    async with await world.http(await world.key(None)) as client:
        yield client


@pytest.fixture
async def nobody(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """REST without any key."""
    async with await world.http() as client:
        del client.headers["authorization"]
        yield client


@pytest.fixture
async def plant(operator: httpx.AsyncClient, http: httpx.AsyncClient, world: World) -> Plant:
    """A customer's pipeline through extensions that answer what a test wants."""
    plant = Plant(world, http)
    await plant.make(operator)
    return plant
