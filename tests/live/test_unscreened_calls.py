"""A customer has a policy for calls to direct addresses, and nobody can run it: what a real Asterisk does alone."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ringback.demo.ports import HOST, free_ports
from ringback.demo.programs import AsteriskProgram
from tests.policies import screened_by

from .conftest import StartPhone, World, running

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session"), pytest.mark.contract("router P-6")]


@pytest.fixture
def silent() -> Iterator[str]:
    """An address where connections are neither taken nor refused, as if its machine were gone."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind((HOST, 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"{HOST}:{listening.getsockname()[1]}"


async def both(world: World, phone: StartPhone) -> list[int]:
    """What becomes of a stranger's calls: by a policy that is needed, by one that is not, and without one."""
    extension = await world.create(f"19{len(world.sql('SELECT 1 FROM registrar_extensions')):03}", direct=True)
    callee, stranger = await phone(extension), await phone()
    assert await callee.register() == 200
    statuses = []
    for fails in ("closed", "open", ""):
        world.sql("DELETE FROM router_policies")
        if fails:
            screened_by(world, extension["customer_id"], "calls.en", fails=fails, deadline_ms=300)
        statuses.append((await stranger.call(f"sip:direct.{extension['direct_hash']}@sip.localhost", talk=0.1)).status)
    assert callee.rang == 2
    return statuses


async def test_without_an_address_to_ask_it_decides_at_once(world: World, phone: StartPhone) -> None:
    assert await both(world, phone) == [503, 200, 200]


@pytest.mark.parametrize("routing", ["odbc", "agi"])
async def test_a_machine_that_takes_no_connection_holds_no_call(
    program: AsteriskProgram, tmp_path: Path, phone: StartPhone, silent: str, routing: str
) -> None:
    agi = f"{HOST}:{free_ports(1)[0]}" if routing == "agi" else ""
    async with running(program, tmp_path, screen=silent, agi_listen_address=agi) as alone:
        assert await both(alone, lambda *args, **more: phone(*args, **({"server": at(alone, *args)} | more))) == [
            503, 200, 200,
        ]  # fmt: skip


def at(world: World, *extension: object) -> str:
    return world.ports.phones_at if extension else world.ports.public_at


async def test_nobody_at_the_address_is_known_at_once(
    program: AsteriskProgram, tmp_path: Path, phone: StartPhone
) -> None:
    nobody = f"{HOST}:{free_ports(1)[0]}"
    async with running(program, tmp_path, screen=nobody) as alone:
        assert await both(alone, lambda *args, **more: phone(*args, **({"server": at(alone, *args)} | more))) == [
            503, 200, 200,
        ]  # fmt: skip
