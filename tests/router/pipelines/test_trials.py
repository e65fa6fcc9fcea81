"""Dry runs: what they call, what they show, and what they leave alone."""

from typing import Any

import jsonpatch
import pytest
import structlog

from ringback.kit.bus import TooLate
from ringback.kit.errors import ValidationFailed
from ringback.router.policies.model import PolicyNotFound
from tests.router.pipelines.stand import CUSTOMER, MESSAGE, STRANGER, Stand, lines, says, upper

WHOLE = {
    "pre": [{"id": "normal", "config": {"form": "NFC"}}],
    "validators": [{"id": "guard"}],
    "providers": [{"id": "gpt"}],
    "post": [{"id": "mask"}],
}

pytestmark = [pytest.mark.contract("router R-12"), pytest.mark.contract("router F-13")]


@pytest.fixture
def stand() -> Stand:
    made = Stand()
    made.add("normal", answer=upper, config={"api_key": "env:RINGBACK_SECRET_X"})
    made.add("guard", "validator", {"status": "ok"})
    made.add("gpt", "provider", says("call anna@example.com"))
    made.add("mask", "post", lambda asked: {"payload": f"<{asked['payload']['payload']}>"})
    return made


async def test_every_step_shows_what_it_really_made_of_it(stand: Stand) -> None:
    done = await stand.tries(WHOLE, provider="real")

    assert stand.order == ["normal", "guard", "gpt", "mask"]
    assert [(one.stage, one.id, one.status, one.matched, one.would_block) for one in done.steps] == [
        ("pre", "normal", "ok", True, False),
        ("validators", "guard", "ok", True, False),
        ("providers", "gpt", "ok", True, False),
        ("post", "mask", "ok", True, False),
    ]
    normal, guard, gpt, mask = done.steps
    assert (normal.input, normal.output) == (MESSAGE, {**MESSAGE, "payload": "HELLO"})
    assert normal.diff == [{"op": "replace", "path": "/payload", "value": "HELLO"}]
    assert normal.config == {"api_key": "[REDACTED]", "form": "NFC"}
    assert guard.output == {"status": "ok", "reason": None, "details": {}}
    assert (gpt.input, gpt.output) == ("HELLO", "call anna@example.com")
    assert jsonpatch.apply_patch(mask.input, mask.diff) == mask.output == done.final_payload
    assert done.final_payload["payload"] == "<call anna@example.com>"
    assert (done.provider_selected, done.post_processors_executed, done.blocked_by) == ("gpt", ["mask"], None)
    assert lines(done.executed_extensions) == [(id, "ok", None) for id in ("normal", "guard", "gpt", "mask")]


async def test_all_are_told_that_it_is_a_dry_run_and_nothing_of_it_is_counted(stand: Stand) -> None:
    stand.add("normal", answer=b"broken")

    for _ in range(6):
        done = await stand.tries(WHOLE)
        assert (done.blocked_by, done.final_payload) == ("normal", None)

    assert {letter.headers["Ringback-Dry-Run"] for _, letter in stand.desk.letters} == {"1"}
    circuit = stand.circuits.by_id["normal"]
    assert (circuit.successes, circuit.failures, circuit.breaker.state) == (0, 0, "closed")
    assert stand.pipelines.dry_runs == 6
    stand.desk.letters.clear()
    await stand.fails(WHOLE)
    assert "Ringback-Dry-Run" not in stand.desk.letters[0][1].headers


async def test_by_itself_no_provider_is_asked_and_post_works_on_the_prompt(stand: Stand) -> None:
    done = await stand.tries(WHOLE)

    assert stand.order == ["normal", "guard", "mask"]
    assert done.decision is not None
    assert (done.decision.provider_id, done.decision.reason) == ("gpt", "only")
    assert done.final_payload["payload"] == "<HELLO>"
    assert lines(done.executed_extensions)[2] == ("gpt", "skipped", "mock")


async def test_without_a_reply_post_has_nothing_to_do(stand: Stand) -> None:
    done = await stand.tries(WHOLE, provider="none")

    assert stand.order == ["normal", "guard"]
    assert (done.provider_selected, done.post_processors_executed) == ("gpt", [])
    assert done.final_payload == {**MESSAGE, "payload": "HELLO"}


async def test_a_rejection_is_an_answer_that_says_who_would_block(stand: Stand) -> None:
    stand.add("guard", "validator", {"valid": False, "reason": "pii_detected", "details": {"pattern": "email"}})

    done = await stand.tries(WHOLE)

    assert (done.blocked_by, done.final_payload, done.provider_selected) == ("guard", None, None)
    assert done.error is not None
    assert done.error.reason == "VALIDATOR_BLOCKED"
    guard = done.steps[-1]
    assert (guard.id, guard.status, guard.would_block) == ("guard", "error", True)
    assert guard.error is not None
    assert guard.error.reason == "pii_detected"
    assert guard.output == {"status": "reject", "reason": "pii_detected", "details": {"pattern": "email"}}
    assert stand.order == ["normal", "guard"]


async def test_what_a_router_extension_says_of_its_failure_is_shown_without_what_identifies_people(
    stand: Stand,
) -> None:
    stand.add("normal", answer={"error": {"code": "x", "message": "cannot do anna@example.com"}})

    done = await stand.tries({"pre": [{"id": "normal", "mode": "optional"}]})

    assert done.steps[0].error is not None
    assert (done.steps[0].error.reason, done.steps[0].would_block) == ("EXTENSION_ERROR", False)
    assert done.steps[0].error.message == "cannot do [EMAIL_MASKED]"


async def test_a_step_whose_condition_is_false_has_not_matched(stand: Stand) -> None:
    done = await stand.tries({"pre": [{"id": "normal", "when": {"lang": "de"}}]}, context={"lang": "en"})

    assert [(one.matched, one.status, one.error, one.diff) for one in done.steps] == [(False, "skipped", None, [])]


async def test_the_difference_of_many_values_is_all_of_them(stand: Stand) -> None:
    stand.add("normal", answer={"payload": {"payload": list(range(1000, 0, -1))}})

    done = await stand.tries({"pre": [{"id": "normal"}]}, {"payload": list(range(1000))})

    (step,) = done.steps
    assert step.diff == [{"op": "replace", "path": "", "value": step.output}]
    assert jsonpatch.apply_patch(step.input, step.diff) == step.output


async def test_a_deadline_that_passes_is_told_with_what_was_done_before(stand: Stand) -> None:
    stand.add("normal", answer=TooLate(), timeout_ms=1000)

    done = await stand.tries({"pre": [{"id": "normal", "mode": "optional"}, {"id": "normal"}]}, deadline_ms=200)

    assert done.error is not None
    assert (done.error.reason, done.blocked_by) == ("DEADLINE_EXCEEDED", None)
    assert [one.status for one in done.steps] == ["warn", "skipped"]


async def test_a_policy_may_be_sent_along_and_is_judged_like_any_other(stand: Stand) -> None:
    done = await stand.tries("", policy_id=None, document={"pre": [{"id": "normal"}]})

    assert done.final_payload["payload"] == "HELLO"
    stand.add("theirs", metadata={"allowed_tenants": [str(STRANGER)]})
    wrong: list[dict[str, Any]] = [
        {"pre": [{"id": "unknown"}]}, {"pre": [{"id": "theirs"}]}, {"pre": [{}] * 6}, {"more": 1},
    ]  # fmt: skip
    for document in wrong:
        with pytest.raises(ValidationFailed) as failure:
            await stand.tries("", policy_id=None, document=document)
        assert {fault.field.split(".")[0] for fault in failure.value.faults} == {"policy"}, "as the request calls it"


async def test_a_disabled_policy_can_be_tried_before_it_is_enabled(stand: Stand) -> None:
    stand.declare(WHOLE, enabled=False)

    assert (await stand.tries()).blocked_by is None
    with pytest.raises(PolicyNotFound):
        await stand.tries(customer_id=STRANGER)


@pytest.mark.contract("router F-24, R-14")
async def test_neither_run_nor_dry_run_logs_a_word_of_message_or_context(stand: Stand) -> None:
    planted: dict[str, Any] = {"payload": "anna@example.com", "metadata": {"planted": "secret-word"}}
    stand.add("guard", "validator", {"valid": False, "reason": "anna@example.com", "details": {"field": "planted"}})

    with structlog.testing.capture_logs() as logs:
        await stand.fails(WHOLE, planted, context={"planted": "secret-word"})
        trial = await stand.tries(WHOLE, planted, context={"planted": "secret-word"})

    assert trial.blocked_by == "guard"
    text = str(logs)
    assert "example.com" not in text
    assert "planted" not in text
    assert "secret-word" not in text
    ran, tried = logs
    assert (ran["event"], ran["status"], ran["customer_id"]) == ("ran", "VALIDATOR_BLOCKED", str(CUSTOMER))
    assert (ran["request_id"], ran["trace_id"], ran["steps"]) == ("req_1", "5f0c", ["normal ok", "guard error"])
    assert (len(tried["sha256"]), tried["size"] > 0) == (64, True)
