"""Sizes: what is too large is refused before anybody is asked; and what a call costs at most."""

import sys
from collections import Counter
from typing import Any

import msgspec
import pytest

from tests.router.pipelines.stand import MESSAGE, Stand, says, upper

KIB = 1024


@pytest.fixture
def stand() -> Stand:
    made = Stand()
    made.add("normal", answer=upper)
    made.add("guard", "validator", {"status": "ok"})
    made.add("mask", "post", {"payload": "x"})
    made.add("gpt", "provider", says("hi"))
    return made


@pytest.mark.contract("router S-1")
@pytest.mark.parametrize(
    ("message", "context", "reason"),
    [
        ({"payload": "x" * KIB * KIB}, {}, "PAYLOAD_TOO_LARGE"),
        (MESSAGE, {"a": "x" * 64 * KIB}, "METADATA_TOO_LARGE"),
    ],
)
async def test_what_is_too_large_for_everybody_is_refused_before_any_call(
    stand: Stand, message: Any, context: Any, reason: str
) -> None:
    failure = await stand.fails({"pre": [{"id": "normal", "mode": "optional"}]}, message, context=context)

    assert (failure.reason, failure.code, failure.status) == (reason, 413, "INVALID_ARGUMENT")
    assert stand.order == []


@pytest.mark.contract("router S-1")
async def test_a_step_that_takes_less_and_is_needed_is_asked_for_before_any_call(stand: Stand) -> None:
    stand.add("guard", "validator", {"status": "ok"}, metadata={"max_payload_size": 100, "max_metadata_size": 250})
    document = {"pre": [{"id": "normal"}], "validators": [{"id": "guard"}]}
    long = {"payload": "x" * 100}

    payload = await stand.fails(document, long)
    metadata = await stand.fails(document, {"payload": ""}, context={"a": "x" * 250})

    assert (payload.reason, payload.extension_id, payload.trace) == ("PAYLOAD_TOO_LARGE", "guard", [])
    assert (metadata.reason, metadata.code) == ("METADATA_TOO_LARGE", 413)
    assert stand.order == []
    when = {"validators": [{"id": "guard", "when": {"lang": "de"}}]}
    assert (await stand.run(when, long)).executed_extensions[0].status == "skipped"
    optional = {"validators": [{"id": "guard", "on_fail": "warn"}]}
    line = (await stand.run(optional, long)).executed_extensions[0]
    assert (line.status, line.reason, line.attempts) == ("warn", "PAYLOAD_TOO_LARGE", 0)


@pytest.mark.contract("router S-1")
@pytest.mark.parametrize(("part", "field"), [("payload", "message"), ("metadata", "context")])
async def test_as_large_as_may_be_goes_through_and_a_byte_more_does_not(stand: Stand, part: str, field: str) -> None:
    document = {"validators": [{"id": "guard"}]}
    await stand.run(document)
    size = len(msgspec.json.encode(stand.sent("guard")[0][part]))

    stand.add("guard", "validator", {"status": "ok"}, metadata={f"max_{part}_size": size})
    await stand.run(document)
    stand.add("guard", "validator", {"status": "ok"}, metadata={f"max_{part}_size": size - 1})
    failure = await stand.fails(document)

    assert [(failure.reason, *(fault.field for fault in failure.faults))] == [(f"{part.upper()}_TOO_LARGE", field)]


@pytest.mark.contract("router S-1")
async def test_what_a_step_makes_too_large_for_the_next_one_fails_there(stand: Stand) -> None:
    stand.add("normal", answer={"payload": "x" * 200})
    stand.add("guard", "validator", {"status": "ok"}, metadata={"max_payload_size": 150})

    failure = await stand.fails({"pre": [{"id": "normal"}], "validators": [{"id": "guard"}]})

    assert (failure.reason, failure.run["cause"]) == ("VALIDATOR_BLOCKED", "validator_failed")
    assert (failure.trace[-1].reason, stand.order) == ("PAYLOAD_TOO_LARGE", ["normal"])


async def test_what_is_too_large_for_the_bus_is_the_callers_fault_and_trips_no_breaker(stand: Stand) -> None:
    stand.desk.largest = 300

    for _ in range(10):
        failure = await stand.fails({"pre": [{"id": "normal"}]}, {"payload": "x" * 300})

    assert (failure.reason, failure.code, failure.run["cause"]) == ("PRE_PROCESSOR_FAILED", 413, "PAYLOAD_TOO_LARGE")
    assert stand.circuits.by_id["normal"].breaker.state == "closed"


@pytest.mark.contract("router R-8d, F-19")
@pytest.mark.parametrize(
    ("document", "code", "causes"),
    [
        ({"pre": [{"id": "normal"}]}, 413, ("PAYLOAD_TOO_LARGE", "PAYLOAD_TOO_LARGE")),
        ({"post": [{"id": "mask"}]}, 413, ("PAYLOAD_TOO_LARGE", "PAYLOAD_TOO_LARGE")),
        ({"validators": [{"id": "guard"}]}, 403, ("validator_failed", "PAYLOAD_TOO_LARGE")),
    ],
)
async def test_what_a_router_extension_calls_too_large_is_the_callers_fault_and_trips_no_breaker(
    stand: Stand, document: Any, code: int, causes: tuple[str, str]
) -> None:
    one = next(iter(document.values()))[0]["id"]
    stand.add(
        one, stand.records[one].type, {"error": {"code": "too_large", "message": "more than 9 characters"}}, retry=3
    )

    for _ in range(10):
        failure = await stand.fails(document)

    assert (failure.code, failure.run["cause"], failure.trace[-1].reason) == (code, *causes)
    assert (failure.trace[-1].attempts, failure.run["retryable"]) == (1, False)
    assert stand.circuits.by_id[one].breaker.state == "closed"


@pytest.mark.contract("router T-4")
async def test_a_payload_is_written_once_and_read_once_for_each_call(stand: Stand) -> None:
    document = {
        "pre": [{"id": "normal"}],
        "validators": [{"id": "guard"}],
        "providers": [{"id": "gpt"}],
        "post": [{"id": "mask"}],
    }
    stand.desk.answers = {
        stand.records["normal"].subject: b'{"payload":{"payload":"x"}}',
        stand.records["guard"].subject: b'{"status":"ok"}',
        stand.records["gpt"].subject: b'{"output":"x"}',
        stand.records["mask"].subject: b'{"payload":"y"}',
    }
    await stand.run(document)
    seen: Counter[str] = Counter()

    def look(frame: Any, event: str, called: Any) -> None:
        if event == "c_call" and getattr(called, "__self__", None).__class__.__module__.startswith("msgspec"):
            large = [one for one in frame.f_locals.values() if isinstance(one, dict) and "payload" in one]
            seen[called.__name__] += called.__name__ == "decode" or bool(large)

    sys.setprofile(look)
    try:
        await stand.run()
    finally:
        sys.setprofile(None)

    assert seen["decode"] == 4
    assert seen["encode"] <= 4
