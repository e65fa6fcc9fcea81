"""Trunks at an Asterisk that asks call-manager who rings: in and out they reach whom the dialplan alone would ring."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from ringback.demo.ports import HOST, free_ports
from ringback.demo.programs import AsteriskProgram

from . import test_calls_by_a_trunk, test_trunk_calls
from .conftest import Edge, World, in_front, running

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session")]
for _module in (test_calls_by_a_trunk, test_trunk_calls):
    globals().update({name: test for name, test in vars(_module).items() if name.startswith("test_")})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    agi = f"{HOST}:{free_ports(1)[0]}"
    async with running(program, tmp_path_factory.mktemp("asking"), agi_listen_address=agi) as one:
        yield one
        assert one.complaints() == []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def edge(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    folder: Path = tmp_path_factory.mktemp("asking-edge")
    async with in_front(world, folder / "kamailio") as one:
        yield one
