"""`router-control workers run`: processes that share the work over a real NATS, and end without losing any of it."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from httpx import AsyncClient

from ringback import server
from ringback.kit.bus import Bus, Letter, NoResponders
from ringback.kit.secret import Secret
from ringback.knobs import load
from ringback.router.pipelines.replies import processed
from ringback.router.workers.serving import PLACES
from tests.live.conftest import until
from tests.live.test_nats import PASSWORDS, documented
from tests.patience import ENOUGH
from tests.servers.nats import Nats
from tests.transports.links import address, linked
from tests.vendors import KEY, standing_in

pytestmark = pytest.mark.process

PAGE: Final = Path(__file__).parents[2] / "docs" / "workers.md"
COMMAND: Final = [sys.executable, "-c", "from ringback.start import router_control; router_control()", "workers", "run"]


def environment(at: Nats, home: Path, **more: str) -> dict[str, str]:
    known = {"NATS_ADDRESS": at.url, "NATS_USER": at.USER, "NATS_PASSWORD": at.password}
    own = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME", "LANG")}
    return {**own, **known, "RINGBACK_HOME": str(home), **more}


@contextmanager
def working(at: Nats, home: Path, *words: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], list[Any]]]:
    """A process of workers, and what it says it serves."""
    with subprocess.Popen(
        [*COMMAND, "--format", "json", *words],
        env=environment(at, home, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        said = ""
        try:
            while not said.rstrip().endswith("]"):
                line = process.stdout.readline()
                assert line, process.stderr and process.stderr.read()
                said += line
            yield process, json.loads(said)
        finally:
            process.kill()


@pytest.fixture
async def bus(nats: Nats) -> AsyncIterator[Bus]:
    async with linked(nats) as link:
        yield link.bus()


async def ask(bus: Bus, id: str, **request: Any) -> dict[str, Any]:
    reply = await bus.request(PLACES[id][1], Letter(json.dumps(request).encode()), ENOUGH)
    assert not reply.headers
    document = json.loads(reply.body)
    assert isinstance(document, dict)
    return document


@pytest.mark.contract("router 2.5")
async def test_all_six_answer_over_nats(nats: Nats, bus: Bus, tmp_path: Path) -> None:
    with working(nats, tmp_path) as (_, served):
        assert {one["id"]: (one["type"], one["subject"]) for one in served} == PLACES
        text = {"payload": " Jane@Example.com "}
        assert (await ask(bus, "normalize_text", payload=text))["payload"]["payload"] == "jane@example.com"
        assert (await ask(bus, "pii_guard", payload=text))["status"] == "reject"
        assert (await ask(bus, "mask_sensitive_data", payload=text))["payload"]["payload"] == " [EMAIL_MASKED] "
        assert (await ask(bus, "mock_provider", prompt="a b"))["usage"]["total_tokens"] == 4
        assert (await ask(bus, "openai_gpt4", prompt="a"))["error_code"] == "not_configured"
        assert (await ask(bus, "anthropic_claude", prompt="a"))["error_code"] == "not_configured"
        broken = await bus.request(PLACES["pii_guard"][1], Letter(b"\xff"), ENOUGH)
        assert json.loads(broken.body)["error"]["code"] == "invalid_request"


async def test_each_is_a_micro_service_that_can_be_discovered(nats: Nats, bus: Bus, tmp_path: Path) -> None:
    with working(nats, tmp_path, "--only", "pii_guard,mock_provider") as (_, served):
        assert [one["id"] for one in served] == ["mock_provider", "pii_guard"]
        info = json.loads((await bus.request("$SRV.INFO.pii_guard", Letter(b""), ENOUGH)).body)
        assert [(one["subject"], one["queue_group"]) for one in info["endpoints"]] == [(PLACES["pii_guard"][1], "q")]
        with pytest.raises(NoResponders):
            await ask(bus, "normalize_text")


@pytest.mark.contract("router F-26")
async def test_of_two_processes_one_does_the_work(nats: Nats, bus: Bus, tmp_path: Path) -> None:
    async with standing_in() as vendor:
        proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}  # which are not minded
        more = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": vendor.url, **proxies}
        with ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(working(nats, tmp_path, "--only", "openai_gpt4", **more))
            replies = [ask(bus, "openai_gpt4", prompt=f"number {number}") for number in range(50)]
            outputs = Counter(reply["output"] for reply in await asyncio.gather(*replies))

        asked = Counter(one.document["messages"][0]["content"] for one in vendor.requests)
        assert asked == {f"number {number}": 1 for number in range(50)}
        assert outputs == {f"You said: number {number}": 1 for number in range(50)}
        assert vendor.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_process_that_is_told_to_end_answers_what_is_in_hand(nats: Nats, bus: Bus, tmp_path: Path) -> None:
    async with standing_in() as vendor:
        begun, go = asyncio.Event(), asyncio.Event()

        async def slow(writer: asyncio.StreamWriter) -> None:
            begun.set()
            await go.wait()
            vendor.says(200, {"choices": [{"message": {"content": "late"}}]})
            assert vendor.instead
            await vendor.instead(writer)

        vendor.instead = slow
        with working(nats, tmp_path, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=vendor.url) as (process, _):
            asked = asyncio.ensure_future(ask(bus, "openai_gpt4", prompt="a"))
            await begun.wait()
            process.send_signal(signal.SIGTERM)
            await until(lambda: is_gone(bus))
            assert process.poll() is None
            go.set()

            assert (await asked)["output"] == "late"
            assert await asyncio.to_thread(process.wait, ENOUGH) == 0
            assert process.stderr
            assert "Traceback" not in process.stderr.read()


@pytest.mark.contract("router S-9")
async def test_with_the_documented_permissions_workers_answer_and_hear_what_they_are_asked_alone(
    tmp_path: Path,
) -> None:
    with Nats.configured(documented(), PASSWORDS) as one:
        known = {"NATS_USER": "worker", "NATS_PASSWORD": "worker-secret"}
        with working(one, tmp_path, **known) as (process, served):
            async with linked(address(one, user="router", password=Secret("router-secret"))) as link:
                for row in served:
                    reply = await link.bus().request(row["subject"], Letter(b'{"payload":{"payload":"a"}}'), ENOUGH)
                    assert isinstance(json.loads(reply.body), dict)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, ENOUGH) == 0
            assert process.stderr
            assert "Permissions Violation" not in process.stderr.read()


async def test_the_worker_in_the_page_works_as_it_stands_there(nats: Nats, bus: Bus, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "worker.py").write_text(code)
    url = nats.url.replace("://", f"://{nats.USER}:{nats.password}@")
    own = {**environment(nats, tmp_path), "NATS_URL": url}
    program = [sys.executable, "worker.py"]
    process = await asyncio.create_subprocess_exec(*program, cwd=tmp_path, env=own, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout
        assert await process.stdout.readline() == b"ready\n"
        body = json.dumps({"payload": {"payload": "a"}, "config": {"end": "?"}}).encode()
        reply = await bus.request("beamline.ext.pre.shout.v1", Letter(body), ENOUGH)
        assert processed(reply).payload == {"payload": "A?"}
        reply = await bus.request("beamline.ext.pre.shout.v1", Letter(b"{"), ENOUGH)
        assert reply.headers["Nats-Service-Error-Code"] == "500"
    finally:
        process.kill()
        await process.wait()


POLICY: Final = {
    "pre": [{"id": "normalize_text", "timeout_ms": 5000}],
    "validators": [{"id": "pii_guard", "timeout_ms": 5000}],
    "providers": [{"id": "mock_provider", "timeout_ms": 5000}],
    "post": [{"id": "mask_sensitive_data", "timeout_ms": 5000}],
}
"""With time for a machine that stands still for a moment."""


@contextmanager
def with_workers(nats: Nats | None, home: Path) -> Iterator[dict[str, str]]:
    """Settings of a Ringback whose workers run: inside, or over that NATS in a process of their own."""
    ports = {"rest_listen_address": "127.0.0.1:0", "prometheus_listen_address": "127.0.0.1:0"}
    if nats is None:
        yield ports
        return
    with working(nats, home):
        yield {**ports, "nats_address": nats.url, "nats_user": nats.USER, "nats_password": nats.password}


@pytest.mark.contract("router 2.5")
@pytest.mark.parametrize("over_nats", [False, True])
async def test_a_pipeline_runs_through_the_built_in_workers(
    over_nats: bool, request: pytest.FixtureRequest, tmp_path: Path, template: Path
) -> None:
    shutil.copy(template, tmp_path / "ringback.db")
    nats = request.getfixturevalue("nats") if over_nats else None
    with with_workers(nats, tmp_path) as more:
        async with (
            server.running(load({"ringback_home": tmp_path, **more})) as started,
            AsyncClient(timeout=ENOUGH) as client,
        ):
            assert started.keys
            client.headers["Authorization"] = f"Bearer {started.keys.operator_key}"
            asked: dict[str, Any] = {"params": {"customer_id": str(started.keys.customer_id)}, "timeout": ENOUGH}
            root = f"{started.url}/v1.0/router"
            made = await client.post(f"{root}/policies", json={"policy_id": "p", "document": POLICY}, **asked)
            assert made.status_code == 201, made.text

            async def run(text: str) -> Any:
                message = {"policy_id": "p", "message": {"payload": text}}
                return (await client.post(f"{root}/pipelines:run", json=message, **asked)).json()

            done = await run("  Call +49 30 1234567 ")
            assert done["reply"]["output"] == "call [PHONE_MASKED]"
            assert [one["status"] for one in done["executed_extensions"]] == ["ok"] * 4
            refused = await run("Jane.Doe@example.com")
            assert (refused["error"]["reason"], refused["error"]["run"]["cause"]) == (
                "VALIDATOR_BLOCKED",
                "pii_detected",
            )
            assert "jane" not in json.dumps(refused).lower()


async def is_gone(bus: Bus) -> bool:
    try:
        await ask(bus, "normalize_text", payload={"payload": "a"})
    except NoResponders:
        return True
    return False


def test_without_nats_it_says_what_to_set_and_what_there_is(tmp_path: Path) -> None:
    own = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME")}
    for words, told in (
        ((), "--nats_address"),
        (("--only", "pii_gard"), "there is no pii_gard; must be some of mock_"),
    ):
        ran = subprocess.run([*COMMAND, *words], env=own, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert ran.returncode == 2
        assert told.removeprefix("--") in ran.stderr
        assert "Traceback" not in ran.stderr
