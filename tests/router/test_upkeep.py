"""What goes on around a registry goes on, whatever becomes of a part of it."""

import asyncio
from pathlib import Path

import pytest

from ringback.kit.db import Refused, Statement
from ringback.knobs import load
from ringback.router.nodes import store
from ringback.router_node import Upkeep
from ringback.transports.memory import MemoryBus
from tests.router.conftest import Node


@pytest.mark.sqlite
@pytest.mark.contract("router R-1b, R-2b")
async def test_a_part_that_fails_ends_no_other(node: Node, tmp_path: Path) -> None:
    complained = asyncio.Event()

    def complain(statement: Statement) -> None:
        if statement is store.ALL:
            complained.set()
            raise Refused("1142")

    node.before_statement = complain
    upkeep = Upkeep(load({"ringback_home": tmp_path}), node.database, node.work, node.loader, MemoryBus())
    running = asyncio.create_task(upkeep.run())
    await complained.wait()

    ended, _ = await asyncio.wait({running}, timeout=0.1)

    assert not ended
    running.cancel()
    await asyncio.wait({running})
