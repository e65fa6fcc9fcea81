"""The adapters to OpenAI and Anthropic, against a server of our own that checks requests as the vendors do."""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from ringback.kit.bus import Letter
from ringback.router.workers.secrets import NoSecret, Secrets
from ringback.router.workers.serving import PLACES, serving
from ringback.settings import RouterSettings
from ringback.transports.https import Https
from ringback.transports.memory import MemoryServices
from tests.certificates import certificate
from tests.patience import ENOUGH
from tests.vendors import KEY, StandIn, standing_in

PLANTED: Final = "planted-prompt"
OPENAI, ANTHROPIC = "openai_gpt4", "anthropic_claude"
CONFIGS: Final = {
    OPENAI: {"model": "gpt-4", "max_tokens": 2048},
    ANTHROPIC: {"model": "claude-3-opus-20240229", "max_tokens": 4096},
}
Ask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def vendor() -> AsyncIterator[StandIn]:
    async with standing_in() as one:
        yield one


@asynccontextmanager
async def asking(
    vendor: StandIn,
    home: Path,
    key: str = KEY,
    environment: Mapping[str, str] | None = None,
    https: Https | None = None,
    replicas: int = 1,
) -> AsyncIterator[Ask]:
    bus = MemoryServices()
    settings = RouterSettings.model_validate(
        {
            "ringback_home": home,
            "openai_api_key": key,
            "anthropic_api_key": key,
            "openai_base_url": vendor.url,
            "anthropic_base_url": vendor.url,
        }
    )

    async def ask(id: str, prompt: str = PLANTED, **more: Any) -> dict[str, Any]:
        request = {"provider_id": id, "prompt": prompt, "config": CONFIGS[id], **more}
        reply = await bus.request(PLACES[id][1], Letter(json.dumps(request).encode()), ENOUGH)
        assert not reply.headers
        assert KEY.encode() not in reply.body
        document = json.loads(reply.body)
        assert isinstance(document, dict)
        return document

    async with AsyncExitStack() as stack:
        for _ in range(replicas):
            await stack.enter_async_context(serving(bus, settings, environment=environment or {}, https=https))
        yield ask


@pytest.fixture
async def ask(vendor: StandIn, tmp_path: Path) -> AsyncIterator[Ask]:
    async with asking(vendor, tmp_path) as one:
        yield one


@pytest.mark.contract("router 2.5")
async def test_openai_is_asked_as_it_wants_to_be_and_its_answer_is_canonical(ask: Ask, vendor: StandIn) -> None:
    assert await ask(OPENAI) == {
        "provider_id": "openai_gpt4",
        "output": f"You said: {PLANTED}",
        "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
        "metadata": {"model": "gpt-4-0613", "finish_reason": "stop", "source": "openai"},
    }
    assert vendor.requests[0].document == {
        "model": "gpt-4",
        "max_tokens": 2048,
        "messages": [{"role": "user", "content": PLANTED}],
    }


@pytest.mark.contract("router 2.5")
async def test_anthropic_is_asked_as_it_wants_to_be_and_its_answer_is_canonical(ask: Ask, vendor: StandIn) -> None:
    assert await ask(ANTHROPIC) == {
        "provider_id": "anthropic_claude",
        "output": f"You said: {PLANTED}",
        "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
        "metadata": {"model": "claude-3-opus-20240229", "finish_reason": "end_turn", "source": "anthropic"},
    }
    assert vendor.requests[0].document["max_tokens"] == 4096
    assert (await ask(ANTHROPIC, config={}))["output"] == f"You said: {PLANTED}"


async def test_what_a_request_says_goes_before_its_config(ask: Ask, vendor: StandIn) -> None:
    parameters = {"model": "gpt-5", "max_tokens": None, "temperature": 0}
    await ask(OPENAI, parameters=parameters, context={"conversation_id": "c"}, tenant_id="t")

    document = vendor.requests[0].document
    assert (document["model"], document["max_tokens"], document["temperature"]) == ("gpt-5", 2048, 0)
    assert set(document) == {"model", "max_tokens", "temperature", "messages"}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "invalid_request"), (401, "unauthorized"), (403, "unauthorized"), (404, "model_not_found"),
        (413, "too_large"), (418, "error"), (429, "rate_limited"), (500, "unavailable"), (503, "unavailable"),
        (529, "unavailable"), (504, "timeout"), (307, "redirected"), (204, "error"),
    ],
)  # fmt: skip
async def test_what_a_vendor_says_of_a_failure_stays_with_us(ask: Ask, vendor: StandIn, status: int, code: str) -> None:
    said = {"error": {"message": f"Incorrect key {KEY} for prompt {PLANTED}"}}
    vendor.says(status, said, f"Location: {vendor.url}/messages", f"X-Echo: {PLANTED}")
    for id in CONFIGS:
        with capture_logs() as logs:
            reply = await ask(id)

        assert reply == {
            "provider_id": id,
            "status": "error",
            "error_code": code,
            "error_message": f"the vendor answered {status}",
        }
        assert [(line["worker"], line["code"]) for line in logs] == [(id, code)]
        assert PLANTED not in str(logs)
        assert KEY not in str(logs)
    assert len(vendor.requests) == 2  # nobody went where the redirect points


async def test_a_wrong_key_and_a_wrong_model_are_told_apart(vendor: StandIn, tmp_path: Path) -> None:
    async with asking(vendor, tmp_path, key="sk-another") as ask:
        assert [(await ask(id))["error_code"] for id in CONFIGS] == ["unauthorized"] * 2
    async with asking(vendor, tmp_path) as ask:
        assert [(await ask(id, config={"model": "other"}))["error_code"] for id in CONFIGS] == ["model_not_found"] * 2


MALFORMED: Final[list[bytes | dict[str, Any]]] = [
    b"", b"<html>", b"[]", b"{}", b'{"choices":[],"content":7}',
    b'{"choices":[{"message":{"content":7}}],"content":[7]}',
    b'{"choices":[{"message":{"content":null}}],"content":null}',
    b"[" * 100_000, b'{"choices":' * 20_000, b"\xff\xfe{}",
    b'{"choices":[{"message":{"content":"x"}}],"content":[{"type":"text","text":1}],"usage":7}',
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(MALFORMED)))
async def test_an_answer_that_is_none_is_malformed(ask: Ask, vendor: StandIn, number: int) -> None:
    vendor.says(200, MALFORMED[number])

    assert [(await ask(id))["error_code"] for id in CONFIGS] == ["malformed", "malformed"]


async def test_an_answer_beyond_a_mebibyte_is_not_read_to_its_end(ask: Ask, vendor: StandIn) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            writer.write(b" " * 65_536)
            await writer.drain()

    vendor.instead = endless

    assert (await ask(OPENAI))["error_code"] == "malformed"


async def test_a_vendor_that_hangs_up_or_is_not_there_is_unreachable(ask: Ask, vendor: StandIn, tmp_path: Path) -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")

    vendor.instead = hang_up
    assert (await ask(OPENAI))["error_code"] == "unreachable"
    async with asking(StandIn(port=9), tmp_path) as nobody:
        assert (await nobody(OPENAI))["error_code"] == "unreachable"


async def test_a_vendor_that_says_nothing_is_given_up(vendor: StandIn, tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def silence(writer: asyncio.StreamWriter) -> None:
        await ended.wait()

    vendor.instead = silence
    async with asking(vendor, tmp_path, https=Https(patience=0.03)) as ask:
        assert (await ask(OPENAI))["error_code"] == "timeout"
    ended.set()


@pytest.mark.contract("router S-6")
async def test_a_vendor_is_reached_by_tls_that_is_trusted_alone(tmp_path: Path) -> None:
    paths = certificate(tmp_path, "vendor")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*paths)
    async with standing_in(context) as vendor:
        async with asking(vendor, tmp_path) as ask:
            assert (await ask(OPENAI))["error_code"] == "unreachable"
        assert not vendor.requests
        async with asking(vendor, tmp_path, https=Https(ssl.create_default_context(cafile=paths[0]))) as ask:
            assert (await ask(OPENAI))["output"] == f"You said: {PLANTED}"


@pytest.mark.contract("router S-6")
@pytest.mark.parametrize("url", ["http://api.openai.com/v1", "http://10.0.0.1", "ftp://x", "https://user@host/v1", ""])
def test_no_vendor_is_asked_in_plain_text_over_a_network(url: str) -> None:
    with pytest.raises(ValidationError):
        RouterSettings.model_validate({"openai_base_url": url})


@pytest.mark.contract("router S-7")
@pytest.mark.contract("router F-24")
async def test_a_key_by_reference_is_looked_up_in_the_process_of_the_worker(vendor: StandIn, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "openai").write_text(f"{KEY}\n")
    environment = {"OPENAI_API_KEY": KEY, "RINGBACK_SECRET_CHAT": KEY}
    for key in ("env:OPENAI_API_KEY", "env:RINGBACK_SECRET_CHAT", "file:openai"):
        async with asking(vendor, tmp_path, key, environment) as ask:
            assert "output" in await ask(OPENAI), key
    async with asking(vendor, tmp_path, "", environment) as ask:
        config = {"model": "gpt-4", "api_key": "env:RINGBACK_SECRET_CHAT"}
        assert "output" in await ask(OPENAI, config=config)


@pytest.mark.contract("router S-7")
async def test_a_reference_that_leads_nowhere_is_told_and_nobody_is_asked(vendor: StandIn, tmp_path: Path) -> None:
    environment = {"PATH": KEY, "OPENAI_API_KEY": ""}
    for key, told in (
        ("env:PATH", "env:PATH is not among secret_env_names"),
        ("env:RINGBACK_SECRET_X", "env:RINGBACK_SECRET_X is not set"),
        ("env:OPENAI_API_KEY", "env:OPENAI_API_KEY is empty"),
        ("file:openai", "file:openai cannot be read"),
    ):
        async with asking(vendor, tmp_path, key, environment) as ask:
            reply = await ask(OPENAI)
            assert (reply["error_code"], reply["error_message"]) == ("not_configured", f"openai_api_key: {told}")
            reply = await ask(OPENAI, config={"api_key": key})
            assert (reply["error_code"], reply["error_message"]) == ("not_configured", f"config.api_key: {told}")
    async with asking(vendor, tmp_path, "two\nlines") as ask:
        assert (await ask(OPENAI))["error_message"] == "openai_api_key is no key"
    assert vendor.connections == 0


@pytest.mark.contract("router S-7")
def test_a_file_of_a_secret_is_a_plain_one_right_inside_its_folder(tmp_path: Path) -> None:
    secrets, folder = Secrets({}, tmp_path, []), tmp_path / "secrets"
    with pytest.raises(NoSecret):
        secrets.found("file:key")  # there is no folder
    folder.mkdir()
    (folder / "key").write_text(" s3cret \n")
    (tmp_path / "outside").write_text("outside")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "inner").mkdir()
    os.mkfifo(folder / "fifo")
    (folder / "binary").write_bytes(b"\xff\xff")
    (folder / "empty").touch()

    assert secrets.found("file:key").reveal() == "s3cret"
    for name in ("link", "inner", "fifo", "binary", "empty", "gone"):
        with pytest.raises(NoSecret, match="is no plain file" if name == "fifo" else None):
            secrets.found(f"file:{name}")
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NoSecret):
        secrets.found("file:key")


def test_what_is_no_reference_is_the_secret_itself_unless_it_begins_like_one(tmp_path: Path) -> None:
    secrets = Secrets({}, tmp_path, ["*"])
    assert secrets.found("sk-1").reveal() == "sk-1"
    for text in ("file:../outside", "file:/etc/passwd", "env:", "file:.hidden", "env:A B"):
        with pytest.raises(NoSecret, match=r"^it is not the name of one$"):
            secrets.found(text)


@pytest.mark.contract("router F-26")
async def test_of_two_replicas_one_does_the_work(vendor: StandIn, tmp_path: Path) -> None:
    async with asking(vendor, tmp_path, replicas=2) as ask:
        for _ in range(4):
            await ask(OPENAI)

    assert len(vendor.requests) == 4
