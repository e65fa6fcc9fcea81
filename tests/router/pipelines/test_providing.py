"""The provider of a run: who is asked, and who instead of one that failed."""

from typing import Any

import pytest

from ringback.kit.bus import NoResponders, TooLate
from tests.router.pipelines.stand import Stand, lines, says

NOT_CONFIGURED = {"provider_id": "gpt", "status": "error", "error_code": "not_configured", "error_message": "no key"}

pytestmark = pytest.mark.contract("router P-3")


@pytest.fixture
def stand() -> Stand:
    made = Stand()
    for id in ("gpt", "claude", "echo"):
        made.add(id, "provider", says(id))
    return made


def document(*fallbacks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"providers": [{"id": "gpt"}], "fallbacks": list(fallbacks), **more}


TWO = {"providers": [{"id": "gpt", "weight": 70}, {"id": "claude", "weight": 30}], "sticky": "context.conversation"}


async def test_a_conversation_stays_with_its_provider_whatever_the_trace_is(stand: Stand) -> None:
    decisions = [
        (await stand.run(TWO, trace_id=f"t{number}", context={"conversation": "c-7"})).decision for number in range(9)
    ]

    assert {(one.provider_id, one.reason) for one in decisions if one} == {("gpt", "sticky")}


@pytest.mark.parametrize("context", [{}, {"conversation": {"id": 1}}, {"conversation": ""}])
async def test_without_a_key_the_trace_decides(stand: Stand, context: dict[str, Any]) -> None:
    decisions = [(await stand.run(TWO, trace_id=f"t{number}", context=context)).decision for number in range(30)]

    assert {(one.provider_id, one.reason) for one in decisions if one} == {("gpt", "weighted"), ("claude", "weighted")}


async def test_who_is_disabled_or_whose_breaker_is_open_is_no_candidate(stand: Stand) -> None:
    stand.add("gpt", "provider", says("gpt"), enabled=False)
    assert (await stand.run(TWO, context={"conversation": "c-7"})).decision.provider_id == "claude"  # type: ignore[union-attr]

    stand.add("gpt", "provider", says("gpt"), breaker_override="open")
    assert (await stand.run(TWO, context={"conversation": "c-7"})).decision.provider_id == "claude"  # type: ignore[union-attr]
    assert stand.order == ["claude", "claude"]


@pytest.mark.parametrize(
    ("answer", "words", "helps"),
    [
        (TooLate(), ["timeout"], True),
        (TooLate(), ["error", "malformed"], False),
        (NoResponders(), ["no_responders"], True),
        ({"error": {"code": "x"}}, ["error"], True),
        (b"[", ["malformed"], True),
        (NOT_CONFIGURED, ["not_configured"], True),
        (NOT_CONFIGURED, ["any"], True),
        (NOT_CONFIGURED, ["error"], False),
    ],
)
async def test_a_fallback_is_asked_for_the_words_that_it_has(
    stand: Stand, answer: Any, words: list[str], *, helps: bool
) -> None:
    stand.add("gpt", "provider", answer)
    asked = document({"when": {"status": words}, "to": "echo"})

    if not helps:
        assert (await stand.fails(asked)).reason == "PROVIDER_FAILED"
        assert stand.order == ["gpt"]
        return
    done = await stand.run(asked)

    assert done.reply is not None
    assert done.reply.output == "echo"
    assert done.decision is not None
    assert (done.decision.provider_id, done.decision.reason, done.decision.priority) == ("echo", "fallback", 2)
    assert [one.status for one in done.executed_extensions] == ["error", "ok"]


async def test_fallbacks_are_asked_in_their_order_each_at_most_once_with_retries_of_their_own(stand: Stand) -> None:
    stand.add("gpt", "provider", TooLate(), timeout_ms=100, retry=0)
    stand.add("claude", "provider", TooLate(), timeout_ms=100, retry=0)
    stand.add("echo", "provider", b"{")
    asked = document(
        {"when": {"status": ["timeout"]}, "retry": 1, "to": "claude"},
        {"when": {"status": ["timeout"]}, "to": "gpt"},
        {"when": {"status": ["any"]}, "to": "echo"},
        providers=[{"id": "gpt", "weight": 1}, {"id": "mute", "weight": 0}],
    )
    stand.add("mute", "provider")

    failure = await stand.fails(asked)

    assert stand.order == ["gpt", "claude", "claude", "echo"]
    assert (failure.reason, failure.code, failure.run["stage"]) == ("PROVIDER_FAILED", 500, "providers")
    assert (failure.run["extension_id"], failure.run["cause"]) == ("echo", "EXTENSION_ERROR")
    assert lines(failure.trace) == [
        ("gpt", "error", "EXTENSION_TIMEOUT"),
        ("claude", "error", "EXTENSION_TIMEOUT"),
        ("echo", "error", "EXTENSION_ERROR"),
    ]


async def test_a_fallback_that_is_disabled_is_not_asked_and_the_next_one_is(stand: Stand) -> None:
    stand.add("gpt", "provider", b"{")
    stand.add("claude", "provider", says("claude"), enabled=False)
    asked = document({"to": "claude", "when": {"status": ["any"]}}, {"to": "echo", "when": {"status": ["disabled"]}})

    done = await stand.run(asked)

    assert stand.order == ["gpt", "echo"]
    assert lines(done.executed_extensions)[1] == ("claude", "error", "EXTENSION_DISABLED")
    assert done.decision is not None
    assert done.decision.priority == 3


@pytest.mark.parametrize(
    ("change", "word"), [({"enabled": False}, "disabled"), ({"breaker_override": "open"}, "unavailable")]
)
async def test_with_no_candidate_there_are_the_fallbacks_or_nobody(
    stand: Stand, change: dict[str, Any], word: str
) -> None:
    stand.add("gpt", "provider", says("gpt"), **change)

    failure = await stand.fails(document({"when": {"status": ["timeout"]}, "to": "echo"}))
    done = await stand.run(document({"when": {"status": [word]}, "to": "echo"}))

    assert (failure.reason, failure.code, failure.run["cause"]) == (
        "NO_PROVIDER_AVAILABLE",
        503,
        "NO_PROVIDER_AVAILABLE",
    )
    assert (failure.run["stage"], failure.run["extension_id"]) == ("providers", None)
    assert done.decision is not None
    assert (done.decision.provider_id, done.decision.reason) == ("echo", "fallback")
    assert stand.order == ["echo"]


async def test_a_missing_key_is_told_as_such(stand: Stand) -> None:
    stand.add("gpt", "provider", NOT_CONFIGURED)

    failure = await stand.fails(document())

    assert (failure.reason, failure.code) == ("PROVIDER_FAILED", 503)
    assert failure.run["cause"] == "PROVIDER_NOT_CONFIGURED"


async def test_what_is_too_large_for_one_provider_is_nobodys_failure(stand: Stand) -> None:
    stand.add("gpt", "provider", says("gpt"), metadata={"max_payload_size": 10})

    failure = await stand.fails(document({"when": {"status": ["any"]}, "to": "echo"}))

    assert (failure.reason, failure.code, failure.run["cause"]) == ("PROVIDER_FAILED", 413, "PAYLOAD_TOO_LARGE")
    assert stand.order == []
