"""Each failure of a run is told alike on every surface: reason, status, code, and an exit code of the command."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ringback import terminal
from ringback.api import responses
from ringback.kit.bus import BusAway, Letter, NoResponders, TooLate
from ringback.router import control
from ringback.router.admin import door
from ringback.router.invoking.outcome import Asked, Outcome
from ringback.router.pipelines.errors import RunFailed
from ringback.router.pipelines.running import Pipelines
from tests.router.pipelines.stand import Answer, Stand, says

STEP = [{"id": "one"}]
TYPES = {"pre": "pre", "validators": "validator", "post": "post", "providers": "provider"}
MISSING = {"error": {"code": "not_configured", "message": "openai_api_key is not set"}}
LARGE = b'{"payload":"' + b"x" * (1 << 20) + b'"}'

Told = tuple[str, str, str, int, int]
"""Reason, cause, status, code, exit code."""

pytestmark = pytest.mark.contract("router 5.6")


def told(failure: RunFailed) -> Told:
    """What REST, NATS and the command line say of it."""
    response = responses.refusal(failure, "req_1")
    error = msgspec.json.decode(response.body)["error"]
    assert door.refusal(failure)["code"] == error["reason"].lower()
    assert door.refusal(failure)["details"]["run"] == error["run"]
    exit_code = control.EXIT_CODES.get(error["status"]) or terminal.EXIT_CODES.get(error["status"], terminal.FAILED)
    return error["reason"], error["run"]["cause"], error["status"], response.status_code, exit_code


@pytest.mark.parametrize(
    ("stage", "answer", "as_told"),
    [
        ("pre", TooLate(), ("PRE_PROCESSOR_FAILED", "EXTENSION_TIMEOUT", "DEADLINE_EXCEEDED", 504, 6)),
        ("pre", NoResponders(), ("PRE_PROCESSOR_FAILED", "EXTENSION_UNAVAILABLE", "UNAVAILABLE", 503, 6)),
        ("pre", BusAway(), ("PRE_PROCESSOR_FAILED", "EXTENSION_UNAVAILABLE", "UNAVAILABLE", 503, 6)),
        ("pre", b"[", ("PRE_PROCESSOR_FAILED", "EXTENSION_ERROR", "INTERNAL", 500, 1)),
        ("pre", LARGE, ("PRE_PROCESSOR_FAILED", "EXTENSION_ERROR", "INTERNAL", 500, 1)),
        ("post", {"error": {}}, ("POST_PROCESSOR_FAILED", "EXTENSION_ERROR", "INTERNAL", 500, 1)),
        ("validators", {"valid": False, "reason": "spam"}, ("VALIDATOR_BLOCKED", "spam", "PERMISSION_DENIED", 403, 5)),
        ("validators", TooLate(), ("VALIDATOR_BLOCKED", "validator_failed", "PERMISSION_DENIED", 403, 5)),
        ("providers", MISSING, ("PROVIDER_FAILED", "PROVIDER_NOT_CONFIGURED", "UNAVAILABLE", 503, 6)),
        ("providers", TooLate(), ("PROVIDER_FAILED", "EXTENSION_TIMEOUT", "DEADLINE_EXCEEDED", 504, 6)),
    ],
)
async def test_a_call_that_fails_is_told_alike_everywhere(stage: str, answer: Answer, as_told: Told) -> None:
    stand = Stand()
    stand.add("one", TYPES[stage], answer)

    assert told(await stand.fails({stage: STEP})) == as_told


@pytest.mark.parametrize(
    ("stage", "change", "asked", "as_told"),
    [
        ("pre", {"enabled": False}, {}, ("PRE_PROCESSOR_FAILED", "EXTENSION_DISABLED", "UNAVAILABLE", 503, 6)),
        ("pre", {"type": "post"}, {}, ("PRE_PROCESSOR_FAILED", "EXTENSION_NOT_FOUND", "NOT_FOUND", 404, 3)),
        (
            "pre",
            {"breaker_override": "open"},
            {},
            ("PRE_PROCESSOR_FAILED", "EXTENSION_UNAVAILABLE", "UNAVAILABLE", 503, 6),
        ),
        (
            "providers",
            {"enabled": False},
            {},
            ("NO_PROVIDER_AVAILABLE", "NO_PROVIDER_AVAILABLE", "UNAVAILABLE", 503, 6),
        ),
        (
            "pre",
            {},
            {"context": {"deadline": 1}},
            ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", 504, 6),
        ),
        (
            "pre",
            {},
            {"message": {"payload": "x" * (1 << 20)}},
            ("PAYLOAD_TOO_LARGE", "PAYLOAD_TOO_LARGE", "INVALID_ARGUMENT", 413, 2),
        ),
        (
            "pre",
            {},
            {"context": {"a": "x" * (1 << 16)}},
            ("METADATA_TOO_LARGE", "METADATA_TOO_LARGE", "INVALID_ARGUMENT", 413, 2),
        ),
    ],
)
async def test_what_ends_before_any_call_is_told_alike_everywhere(
    stage: str, change: dict[str, Any], asked: dict[str, Any], as_told: Told
) -> None:
    stand = Stand()
    stand.add("one", **{"type": TYPES[stage], "answer": says("hi"), **change})

    assert told(await stand.fails({stage: STEP}, **asked)) == as_told
    assert stand.order == []


class Busy:
    """Calls go no further than to those who wait for a place."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock

    def is_open(self, id: str) -> bool:
        return False

    async def call(self, asked: Asked, read: Callable[[Letter], Any]) -> Outcome[Any]:
        return Outcome(cause="overloaded")


@pytest.mark.parametrize(("stage", "reason"), [("pre", "PRE_PROCESSOR_FAILED"), ("providers", "PROVIDER_FAILED")])
async def test_a_call_without_a_place_is_told_alike_everywhere(stage: str, reason: str) -> None:
    stand = Stand()
    stand.add("one", TYPES[stage])
    stand.pipelines = Pipelines(stand.registry, Busy(stand.clock), now=stand.clock)

    assert told(await stand.fails({stage: STEP})) == (reason, "EXTENSION_OVERLOADED", "UNAVAILABLE", 503, 6)
