"""The built-in workers: what each does with a request, asked as pipelines ask them, in one process."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from ringback.kit.bus import Letter, NoResponders, TooLate
from ringback.router.workers import mask_sensitive_data
from ringback.router.workers.serving import IDS, PLACES, serving
from ringback.router.workers.texts import LONG, Work, processor
from ringback.settings import RouterSettings
from ringback.transports.memory import MemoryServices
from tests.patience import ENOUGH

Ask = Callable[..., Awaitable[dict[str, Any]]]
PLANTED: Final = "jane.doe@example.com"


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[MemoryServices]:
    bus = MemoryServices()
    async with serving(bus, RouterSettings.model_validate({"ringback_home": tmp_path}), environment={}):
        yield bus


@pytest.fixture
def ask(services: MemoryServices) -> Ask:
    async def send(id: str, request: Any = None, /, **fields: Any) -> dict[str, Any]:
        body = request if isinstance(request, bytes) else json.dumps(request or fields).encode()
        reply = await services.request(PLACES[id][1], Letter(body), ENOUGH)
        assert not reply.headers
        document = json.loads(reply.body)
        assert isinstance(document, dict)
        return document

    return send


def message(payload: Any, **more: Any) -> dict[str, Any]:
    return {"message_id": "M-1", "message_type": "Chat", "payload": payload, "metadata": {"Channel": "WEB"}, **more}


@pytest.mark.contract("router 2.5")
async def test_normalize_text_makes_the_text_lower_case_and_trims_it(ask: Ask) -> None:
    reply = await ask("normalize_text", payload=message("  Hello World\n"), config={})

    assert reply == {"payload": message("hello world")}


@pytest.mark.contract("router 2.5")
async def test_the_text_of_an_object_is_every_string_in_it_and_the_rest_stays(ask: Ask) -> None:
    inner = {"Key ": " A ", "list": [" B", {"Deep": "C "}, 7, None, True, 1.5], "big": 10**30}
    outer = {"Key ": "a", "list": ["b", {"Deep": "c"}, 7, None, True, 1.5], "big": 10**30}

    assert (await ask("normalize_text", payload=message(inner)))["payload"] == message(outer)


async def test_a_message_without_a_text_stays_as_it_is(ask: Ask) -> None:
    for id in ("normalize_text", "mask_sensitive_data"):
        assert await ask(id, payload={"message_id": "M-1"}) == {}
        assert await ask(id, payload=message(None)) == {}


@pytest.mark.contract("router 2.5")
async def test_normalize_text_does_what_its_config_asks_for(ask: Ask) -> None:
    async def normal(text: str, **config: Any) -> Any:
        return (await ask("normalize_text", payload=message(text), config=config))["payload"]["payload"]

    assert await normal(" A  B\t\n C ", lowercase=False, trim_whitespace=False) == " A  B\t\n C "
    assert await normal(" A  B\t\n C ", collapse_whitespace=True) == "a b c"
    assert await normal(" A  B ", collapse_whitespace=True, trim_whitespace=False) == " a b "
    assert await normal("e\u0301Å", unicode_form="NFC") == "éå"
    assert await normal("ﬁ", unicode_form="NFKC") == "fi"
    assert await normal("é", unicode_form="NFD") == "e\u0301"
    assert await normal("ﬁ") == "ﬁ"


@pytest.mark.contract("router 2.5")
@pytest.mark.contract("router F-24")
async def test_pii_guard_names_the_pattern_and_how_often_and_never_the_match(ask: Ask) -> None:
    text = {"a": f"{PLANTED} or joe@example.org", "b": ["my card: 4111 1111 1111 1111"]}
    reply = await ask("pii_guard", payload=message(text), config={"patterns": ["email", "credit_card"]})

    assert reply == {
        "status": "reject",
        "reason": "pii_detected",
        "details": {"field": "payload", "pattern": "email", "count": 2},
    }
    seen = await ask("pii_guard", payload=message(text), config={"block_on_match": False})
    assert seen == {"status": "ok", "details": {"field": "payload", "pattern": "credit_card", "count": 1}}


@pytest.mark.contract("router 2.5")
async def test_pii_guard_lets_pass_what_holds_none_of_its_patterns(ask: Ask) -> None:
    payloads: list[Any] = ["Hello", {"card": 4111111111111111, PLANTED: "key"}, None, 7, [], "+49 30 1234567"]
    for payload in payloads:
        assert await ask("pii_guard", payload=message(payload)) == {"status": "ok"}
    assert await ask("pii_guard", payload=message(PLANTED), config={"patterns": ["ssn"]}) == {"status": "ok"}
    assert (await ask("pii_guard", payload=message("+49 30 1234567"), config={"patterns": ["phone"]}))["status"] == (
        "reject"
    )


@pytest.mark.contract("router 2.5")
async def test_mask_sensitive_data_puts_words_in_the_place_of_what_identifies_people(ask: Ask) -> None:
    text = f"{PLANTED}, +49 30 1234567, 4111111111111111, 123-45-6789"
    output = {"payload": text, "metadata": {"model": "m"}, "provider": {"provider_id": "p", "usage": {}}}

    assert await ask("mask_sensitive_data", payload=output) == {
        "payload": {**output, "payload": "[EMAIL_MASKED], [PHONE_MASKED], 4111111111111111, 123-45-6789"}
    }
    config = {"mask_patterns": ["email", "phone", "credit_card", "ssn"]}
    masked = await ask("mask_sensitive_data", payload=message({"a": [text]}), config=config)
    assert masked["payload"]["payload"] == {"a": ["[EMAIL_MASKED], [PHONE_MASKED], [CARD_MASKED], [SSN_MASKED]"]}


LONGEST: Final[list[Any]] = ["x" * 65_536, ["x" * 32_768] * 2, [""] * 65_535]


@pytest.mark.contract("router 2.5, F-19")
@pytest.mark.parametrize("id", ["pii_guard", "mask_sensitive_data", "normalize_text"])
async def test_what_is_too_long_to_be_looked_through_in_time_is_refused_and_not_failed(ask: Ask, id: str) -> None:
    config = {"patterns": ["email"], "mask_patterns": ["email"], "unicode_form": "NFKC"}
    for longest in LONGEST:
        longer = [*longest, "xxx", ""] if isinstance(longest, list) else f"{longest}x"

        assert "error" not in await ask(id, payload=message(longest), config=config)
        refused = await ask(id, payload=message(longer), config=config)
        assert refused["error"]["code"] == "too_large"
    if id == "normalize_text":
        assert "error" not in await ask(id, payload=message("x" * 1_000_000), config={})


@pytest.mark.contract("router S-1, R-8d")
async def test_no_reply_outgrows_a_mebibyte(ask: Ask, services: MemoryServices) -> None:
    masks = {"mask_patterns": ["credit_card", "ssn", "email", "phone"]}
    mail = "a@b.cc "
    longest = await ask("mask_sensitive_data", payload=message(mail * (65_536 // len(mail))), config=masks)
    assert longest["payload"]["payload"].startswith("[EMAIL_MASKED] [EMAIL_MASKED]")
    assert len(json.dumps(longest)) < 1 << 18

    for id, grows, rest in (("mask_sensitive_data", mail * 9000, "x" * 970_000), ("normalize_text", "İ" * 400_000, "")):
        request = {"payload": message(grows, rest=rest), "config": masks}
        reply = await ask(id, json.dumps(request, ensure_ascii=False).encode())
        assert reply == {"error": {"code": "too_large", "message": "what comes of it is larger than a reply may be"}}
    echo = await ask("mock_provider", prompt="x" * ((1 << 20) - 100), config={"latency_ms": 0})
    assert echo["error_code"] == "too_large"


@pytest.mark.contract("router 2.5")
async def test_mock_provider_echoes_and_counts_words(ask: Ask) -> None:
    reply = await ask("mock_provider", prompt=" two\twords ", provider_id="shared", config={"latency_ms": 0})

    assert reply == {
        "provider_id": "shared",
        "output": " two\twords ",
        "usage": {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4},
        "metadata": {"model": "mock", "finish_reason": "stop", "source": "mock"},
    }
    fixed = await ask("mock_provider", prompt="a b", config={"latency_ms": 0, "mode": "fixed", "output": "c d e"})
    assert (fixed["provider_id"], fixed["output"], fixed["usage"]["total_tokens"]) == ("mock_provider", "c d e", 5)


@pytest.mark.contract("router 2.5")
async def test_mock_provider_fails_when_it_shall(ask: Ask, services: MemoryServices) -> None:
    assert await ask("mock_provider", prompt=PLANTED, config={"latency_ms": 0, "mode": "error"}) == {
        "provider_id": "mock_provider",
        "status": "error",
        "error_code": "mock_error",
        "error_message": "the mode of this provider is error",
    }
    silent = Letter(json.dumps({"prompt": "p", "config": {"mode": "timeout", "latency_ms": 0}}).encode())
    with pytest.raises(TooLate):
        await services.request(PLACES["mock_provider"][1], silent, 0.01)


@pytest.mark.contract("router 2.5")
async def test_mock_provider_waits_as_long_as_it_is_told_and_no_longer_than_its_process(tmp_path: Path) -> None:
    bus = MemoryServices()
    slow = Letter(json.dumps({"prompt": "p", "config": {"latency_ms": 299_000}}).encode())
    async with serving(bus, RouterSettings.model_validate({"ringback_home": tmp_path})):
        asked = asyncio.ensure_future(bus.request(PLACES["mock_provider"][1], slow, ENOUGH))
        done, _ = await asyncio.wait([asked], timeout=0.02)
        assert not done
    assert json.loads((await asked).body)["output"] == "p"


@pytest.mark.contract("router S-7")
async def test_without_its_key_an_adapter_names_the_setting_and_asks_nobody(ask: Ask) -> None:
    for id, setting in (("openai_gpt4", "openai_api_key"), ("anthropic_claude", "anthropic_api_key")):
        reply = await ask(id, prompt=PLANTED)

        assert (reply["error_code"], reply["error_message"]) == ("not_configured", f"{setting} is not set")
        assert (reply["status"], reply["provider_id"]) == ("error", id)


WRONG: Final = [
    b"", b"{", b"[]", b"null", b"7", b'"x"', b'{"payload": "x"}', b'{"payload": null}', b"{}", b"\xff\xfe",
    b'{"payload": {"payload": NaN}, "prompt": NaN}', b'{"payload":' * 5000, b"[" * 5000 + b"]" * 5000,
    b'{"payload":{"payload":' + b"[" * 700 + b"]" * 700 + b"}}",
    b'{"payload":{"payload":"x"},"prompt":"x","config":7}', b'{"payload":{"payload":"x"},"prompt":7,"config":[1]}',
]  # fmt: skip


async def test_a_long_text_is_read_beside_the_event_loop() -> None:
    beside = list[str]()

    async def record(work: Work, request: dict[str, Any]) -> dict[str, Any]:
        beside.append(request["payload"]["payload"][0])
        return await asyncio.to_thread(work, request)

    answer = processor(mask_sensitive_data.answer, record)
    for start, length in (("s", LONG - 100), ("l", LONG + 100)):
        text = f"{start}{'x' * length} {PLANTED}"
        assert (await answer({"payload": message(text)}))["payload"]["payload"].endswith("x [EMAIL_MASKED]")
    assert beside == ["l"]


@pytest.mark.parametrize("number", range(len(WRONG)))
async def test_what_is_no_request_gets_an_error_reply_and_the_next_one_is_answered(ask: Ask, number: int) -> None:
    for id in IDS:
        reply = await ask(id, WRONG[number])
        code = reply.get("error_code") or reply.get("error", {}).get("code") or "fine"

        assert code in ("invalid_request", "invalid_config", "fine"), reply
        assert code != "fine" or WRONG[number].endswith(b"]}}")
    assert (await ask("normalize_text", payload=message("A")))["payload"]["payload"] == "a"


@pytest.mark.parametrize(
    ("id", "config", "place"),
    [
        ("normalize_text", {"lowercase": PLANTED}, "config.lowercase"),
        ("normalize_text", {"unicode_form": PLANTED}, "config.unicode_form"),
        ("pii_guard", {"patterns": [PLANTED]}, "config.patterns[0]"),
        ("pii_guard", {"block_on_match": "no"}, "config.block_on_match"),
        ("mask_sensitive_data", {"mask_patterns": "email"}, "config.mask_patterns"),
        ("mock_provider", {"mode": PLANTED}, "config.mode"),
        ("mock_provider", {"latency_ms": -1}, "config.latency_ms"),
        ("openai_gpt4", {"max_tokens": 0}, "config.max_tokens"),
        ("anthropic_claude", {"temperature": PLANTED}, "config.temperature"),
        ("anthropic_claude", {"api_key": "a literal"}, "config.api_key"),
    ],
)
async def test_a_config_that_is_not_understood_is_refused_by_its_place(
    ask: Ask, id: str, config: dict[str, Any], place: str
) -> None:
    """A guard that does not know what to look for lets nothing pass."""
    reply = await ask(id, payload=message("x"), prompt="x", config=config)

    code = reply.get("error_code") or reply["error"]["code"]
    told = reply.get("error_message") or reply["error"]["message"]
    assert code == "invalid_config"
    assert told.startswith(place + " ")
    assert PLANTED not in json.dumps(reply)


async def test_only_those_that_are_named_are_served(tmp_path: Path) -> None:
    bus = MemoryServices()
    async with serving(bus, RouterSettings.model_validate({"ringback_home": tmp_path}), only=["pii_guard"]) as served:
        assert [one.id for one in served] == ["pii_guard"]
        with pytest.raises(NoResponders):
            await bus.request(PLACES["normalize_text"][1], Letter(b"{}"), ENOUGH)
    with pytest.raises(NoResponders):
        await bus.request(PLACES["pii_guard"][1], Letter(b"{}"), ENOUGH)
