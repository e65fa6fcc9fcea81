"""Edges that are killed, and two of them: what phones have registered is in the database, and calls go on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from ringback.demo.kamailio import Kamailio
from ringback.demo.programs import AsteriskProgram

from .conftest import EDGE, Edge, StartPhone, World, in_front, running, until
from .test_calls_of_phones_at_the_edge import HERE, THERE, number
from .test_phones_at_the_edge import Device, bound

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]

OTHER = "127.0.0.32"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running(
        program, tmp_path_factory.mktemp("live"), edges=(EDGE, OTHER), contact_poll_interval="0.1"
    ) as one:
        yield one
        assert one.complaints() == []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def edge(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with in_front(world, tmp_path_factory.mktemp("edge") / "kamailio") as one:
        yield one


async def killed(edge: Edge, folder: Path) -> Edge:
    """The same edge anew, after all of it was killed."""
    os.killpg(edge.kamailio.pid, signal.SIGKILL)
    await edge.kamailio.kill()
    return Edge(edge.world, await Kamailio.start(edge.kamailio.program, edge.kamailio.options, folder))


async def test_an_edge_that_is_killed_forgets_no_phone_and_no_call(
    edge: Edge, phone: StartPhone, tmp_path: Path
) -> None:
    there, here = await asyncio.gather(edge.world.create("4931"), edge.world.create("4932"))
    caller, callee = await asyncio.gather(phone(there), phone(here, server=edge.kamailio.at, bind=HERE))
    assert [await caller.register(), await callee.register()] == [200, 200]
    up = asyncio.create_task(caller.call(number(here), talk=60))
    await callee.answered()

    again = await killed(edge, tmp_path / "kamailio")
    async with again.kamailio:
        await callee.hang_up()
        assert ((await up).status, (await callee.next_call()).status) == (200, 200)
        assert (await caller.call(number(here), talk=0.1)).status == 200
        assert (await callee.call(number(there), talk=0.1)).status == 200
        assert await callee.unregister() == 200
        assert await edge.world.contacts(here, fresh=True) == []
        assert again.kamailio.problems() == []


async def test_phones_at_two_edges_and_at_asterisk_are_in_one_list_and_all_ring(
    world: World, phone: StartPhone, tmp_path: Path
) -> None:
    caller, extension = await asyncio.gather(world.create("4933"), world.create("4934"))
    async with in_front(world, tmp_path / "one") as first:
        options = replace(first.kamailio.options, bind=OTHER, name="edge-2")
        async with await Kamailio.start(first.kamailio.program, options, tmp_path / "two") as second:
            one, two, three, rings = await asyncio.gather(
                phone(extension, server=first.kamailio.at, bind=HERE, answer=180),
                phone(extension, server=second.at, bind=THERE, answer=180),
                phone(extension, answer=180),
                phone(caller, server=first.kamailio.at, bind="127.0.0.67"),
            )
            assert [await device.register() for device in (one, two, three, rings)] == [200] * 4
            assert len(bound(await Device(second.at, extension).says())) == 3
            found = {contact["reg_server"] for contact in await world.contacts(extension, fresh=True)}
            assert found == {"edge", "edge-2", "asterisk"}

            call = asyncio.create_task(rings.call(number(extension)))

            async def all_ring() -> bool:
                await asyncio.sleep(0)
                return all(device.rang for device in (one, two, three))

            await until(all_ring)
            await rings.hang_up()
            assert (await call).status == 487
            assert [(await device.next_call()).status for device in (one, two, three)] == [487] * 3
            answering = await phone(await world.create("4935"), server=second.at, bind=HERE)
            assert await answering.register() == 200
            assert (await rings.call(f"sip:4935@{extension['realm']}", talk=0.1)).status == 200
            assert (await answering.call(number(caller), talk=0.1)).status == 200
            assert second.problems() == []
