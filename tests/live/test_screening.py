"""A customer's own policy, made over REST, before their phones ring: a real Asterisk, Ringback and its own workers."""

import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from ringback.demo.ports import HOST, free_ports
from ringback.demo.programs import AsteriskProgram
from tests.patience import ENOUGH

from .conftest import StartPhone, World, running
from .test_screened_calls import Callee

pytestmark = [pytest.mark.sip, pytest.mark.asyncio(loop_scope="session"), pytest.mark.contract("router P-6")]

NORMAL: dict[str, Any] = {"pre": [{"id": "normalize_text"}], "validators": [{"id": "pii_guard"}]}
OPEN: dict[str, Any] = {
    "pre": [{"id": "normalize_text", "mode": "optional"}],
    "validators": [{"id": "pii_guard", "on_fail": "warn"}],
}


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["odbc", "agi"])
async def world(
    request: pytest.FixtureRequest, program: AsteriskProgram, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    screen, agi = (f"{HOST}:{port}" for port in free_ports(2))
    agi = agi if request.param == "agi" else ""
    folder = tmp_path_factory.mktemp("screening")
    async with running(program, folder, screen_listen_address=screen, agi_listen_address=agi) as one:
        yield one
        ours = ("func_curl.c: ", "res_agi.c: ")
        assert [line for line in one.complaints() if not any(word in line for word in ours)] == []


@pytest_asyncio.fixture(loop_scope="session")
async def callee(world: World, phone: StartPhone) -> AsyncIterator[Callee]:
    extension = await world.create(f"17{len(world.sql('SELECT 1 FROM registrar_extensions')):03}", direct=True)
    one = await phone(extension)
    assert await one.register() == 200
    yield Callee(one, extension, world)
    await rest(world, "DELETE", "/policies/calls.en", codes=(200, 404))


async def rest(
    world: World, method: str, path: str, body: Any = None, *, codes: tuple[int, ...] = (200, 201), key: str = ""
) -> Any:
    headers = {"authorization": f"Bearer {key or world.server.keys.customer_key}"}
    async with httpx.AsyncClient(base_url=f"{world.server.url}/v1.0/router", headers=headers, timeout=ENOUGH) as client:
        answer = await client.request(method, path, json=body)
    assert answer.status_code in codes, answer.text
    return answer.json()


async def declare(world: World, document: dict[str, Any], deadline_ms: int = 2000) -> None:
    """The customer's policy for calls to direct addresses."""
    document = {"version": "1.0", "deadline_ms": deadline_ms, **document}
    await rest(world, "POST", "/policies", {"policy_id": "calls.en", "purpose": "direct_call", "document": document})


async def test_the_workers_change_what_is_shown_and_refuse_whom_they_should(callee: Callee) -> None:
    assert await callee.called('"ALICE Smith" ', "4930") == (200, '"ALICE Smith" <sip:4930@127.0.0.1>')

    await declare(callee.world, NORMAL)

    assert await callee.called('"ALICE Smith" ', "4930") == (200, '"alice smith" <sip:4930@127.0.0.1>')
    assert await callee.called('"4111 1111 1111 1111" ', "4930") == (403, "")
    await rest(callee.world, "PATCH", "/policies/calls.en", {"enabled": False})
    assert await callee.called('"ALICE Smith" ', "4930") == (200, '"ALICE Smith" <sip:4930@127.0.0.1>')


@pytest.mark.parametrize(("mode", "status"), [("required", 503), ("optional", 200)])
async def test_an_extension_that_nobody_serves(callee: Callee, mode: str, status: int) -> None:
    dead = {"id": "dead", "type": "pre", "subject": "beamline.ext.pre.dead.v1", "retry": 3}
    operator = callee.world.server.keys.operator_key
    await rest(callee.world, "POST", "/extensions", dead, codes=(201, 409), key=operator)
    await declare(callee.world, {"pre": [{"id": "dead", "mode": mode}]}, deadline_ms=1000)

    assert (await callee.called('"Bob" ', "4930"))[0] == status


async def test_a_worker_that_takes_too_long_holds_no_call(callee: Callee) -> None:
    slow = {"providers": [{"id": "mock_provider", "config": {"mode": "timeout"}}]}
    await declare(callee.world, slow, deadline_ms=300)

    assert await callee.called() == (503, "")


@pytest.mark.parametrize(("document", "status"), [(NORMAL, 503), (OPEN, 200)], ids=["closed", "open"])
async def test_a_ringback_that_has_stopped_holds_no_call(callee: Callee, document: dict[str, Any], status: int) -> None:
    world = callee.world
    await declare(world, document, deadline_ms=300)
    assert (await callee.called())[0] == 200

    os.kill(world.server.pid, signal.SIGSTOP)
    try:
        stopped = (await callee.called('"BOB" ', "4930"))[0]
    finally:
        os.kill(world.server.pid, signal.SIGCONT)

    assert stopped == status
    assert await callee.called('"BOB" ', "4930") == (200, '"bob" <sip:4930@127.0.0.1>')


async def test_a_ringback_that_is_gone_holds_no_call_last_of_all(world: World, phone: StartPhone) -> None:
    extension = await world.create("1799", direct=True)
    callee = Callee(await phone(extension), extension, world)
    assert await callee.phone.register() == 200
    await declare(world, NORMAL)
    await world.server.stop()

    assert await callee.called() == (503, "")
    world.sql("UPDATE router_policies SET fails = 'open'")
    assert await callee.called('"BOB" ', "4930") == (200, '"BOB" <sip:4930@127.0.0.1>')
