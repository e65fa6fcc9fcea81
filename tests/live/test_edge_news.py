"""A real edge tells Ringback of phones as they come and go, and of those that it refuses."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ringback.demo.ports import HOST, free_ports
from ringback.demo.programs import AsteriskProgram

from .conftest import Edge, in_front, running, until
from .digest import register
from .test_contact_events import REGISTERED, told, unregistered
from .test_phones_at_the_edge import Device

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def telling(program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    """An edge that tells; by itself Ringback looks for news once an hour."""
    folder = tmp_path_factory.mktemp("telling")
    (port,) = free_ports(1)
    at = f"{HOST}:{port}"
    async with (
        running(program, folder, edge_listen_address=at, contact_poll_interval="3600") as world,
        in_front(world, folder / "kamailio", tells=at) as edge,
    ):
        yield edge


@pytest.mark.contract("registrar R-51")
async def test_phones_at_the_edge_are_told_as_they_come_and_go_each_once(telling: Edge) -> None:
    world, at = telling.world, telling.kamailio.at
    phones = await asyncio.gather(*(world.create(f"49{number}") for number in range(10, 20)))

    async def register_all(expires: str) -> None:
        devices = [
            Device(at, one, expires=expires, contacts=(f"<sip:{one['extension']}@192.0.2.1>",)) for one in phones
        ]
        assert {answer.status for answer in await asyncio.gather(*(one.says() for one in devices))} == {200}

    for _ in range(2):
        await register_all("60")
        for one in phones:
            await told(world, one, REGISTERED)
    await register_all("0")
    for one in phones:
        await told(world, one, REGISTERED, unregistered("removed"))


@pytest.mark.contract("registrar R-88")
async def test_whom_the_edge_refuses_is_told_so_by_the_diagnosis(telling: Edge) -> None:
    world = telling.world
    extension = await world.create("4921")
    assert await register(telling.kamailio.at, {**extension, "password": "wrong"}) == (401, ["MD5"])

    async def refusals() -> bool:
        answer = await world.server.rest("GET", f"/v1.0/extensions/{extension['id']}/diagnosis")
        return "password" in next(one["seen"] for one in answer.body["checks"] if one["name"] == "refusals")

    assert await until(refusals)
