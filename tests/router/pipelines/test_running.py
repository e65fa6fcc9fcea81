"""Runs: the order of the steps, what each gets, and where a run ends."""

import re
from typing import Any

import pytest
import structlog

from ringback.kit.bus import NoResponders, TooLate
from ringback.kit.errors import ValidationFailed
from ringback.router.extensions.model import NotReady
from ringback.router.policies.model import PolicyNotFound
from tests.router.pipelines.stand import CUSTOMER, MESSAGE, STRANGER, Stand, lines, says, upper

WHOLE = {
    "pre": [{"id": "normal"}],
    "validators": [{"id": "guard"}],
    "providers": [{"id": "gpt"}],
    "post": [{"id": "mask"}],
}


@pytest.fixture
def stand() -> Stand:
    made = Stand()
    made.add("normal", answer=upper, config={"lowercase": True, "form": {"a": 1, "b": 2}}, revision=3)
    made.add("guard", "validator", {"status": "ok"})
    made.add("gpt", "provider", says("Hi, mail me: a@example.com", usage={"total_tokens": 9}, metadata={"model": "m"}))
    made.add("mask", "post", lambda asked: {"payload": asked["payload"]["payload"].replace("a@example.com", "[MAIL]")})
    return made


@pytest.mark.contract("router P-4")
@pytest.mark.contract("router F-15")
async def test_post_works_on_what_the_provider_says(stand: Stand) -> None:
    done = await stand.run(WHOLE)

    assert stand.order == ["normal", "guard", "gpt", "mask"]
    assert done.message == {**MESSAGE, "payload": "HELLO"}
    assert done.reply is not None
    assert (done.reply.provider_id, done.reply.output) == ("gpt", "Hi, mail me: [MAIL]")
    assert (done.reply.usage, done.reply.metadata) == ({"total_tokens": 9}, {"model": "m"})
    assert done.decision is not None
    assert (done.decision.provider_id, done.decision.reason, done.decision.priority) == ("gpt", "only", 1)
    assert [(one.type, one.id, one.status, one.attempts, one.revision) for one in done.executed_extensions] == [
        ("pre", "normal", "ok", 1, 3),
        ("validator", "guard", "ok", 1, 1),
        ("provider", "gpt", "ok", 1, 1),
        ("post", "mask", "ok", 1, 1),
    ]
    assert (done.request_id, done.trace_id) == ("req_1", "5f0c")


@pytest.mark.contract("router P-2")
@pytest.mark.contract("router R-9g")
@pytest.mark.contract("router F-14")
async def test_a_step_gets_message_context_config_and_who_it_is(stand: Stand) -> None:
    step = {"id": "normal", "config": {"form": {"b": None, "c": 3}, "lowercase": False}, "timeout_ms": 50, "retry": 2}
    stand.declare({"pre": [step]}, "support_en")
    context = {"lang": "en", "policy_id": "other", "tenant_id": "other", "_x": 1, "api_key": "k", "deadline": 9e15}

    await stand.run("support_en", context=context)

    assert stand.sent("normal") == [
        {
            "trace_id": "5f0c",
            "tenant_id": str(CUSTOMER),
            "payload": MESSAGE,
            "metadata": {
                "lang": "en",
                "tenant_id": str(CUSTOMER),
                "policy_id": "support_en",
                "trace_id": "5f0c",
                "message_type": "chat",
            },
            "config": {"lowercase": False, "form": {"a": 1, "c": 3}},
            "extension": {"id": "normal", "type": "pre", "version": "v1", "revision": 3},
        }
    ]
    _, letter = stand.desk.letters[0]
    assert letter.headers.keys() == {"traceparent", "X-Request-Id", "Ringback-Attempt"}
    assert (letter.headers["X-Request-Id"], letter.headers["Ringback-Attempt"]) == ("req_1", "1")


@pytest.mark.contract("router F-14")
async def test_timeout_and_retry_of_the_policy_go_over_those_of_the_registry(stand: Stand) -> None:
    stand.add("normal", answer=TooLate(), timeout_ms=1000, retry=0)

    failure = await stand.fails({"pre": [{"id": "normal", "timeout_ms": 50, "retry": 2}]})

    assert len(stand.desk.letters) == failure.trace[0].attempts == 3
    assert failure.trace[0].latency_ms == pytest.approx(3 * 50 + 75 + 150)


@pytest.mark.contract("router P-2")
async def test_a_provider_gets_prompt_parameters_and_its_own_context(stand: Stand) -> None:
    config = {"model": "gpt-4", "max_tokens": 2048, "style": "plain"}
    stand.add("gpt", "provider", says("x"), config=config)
    document = {"providers": [{"name": "gpt", "config": {"temperature": 0.5, "max_tokens": 10}}]}

    await stand.run(document, {"payload": {"q": [1, "ü"]}}, context={"conversation_id": "c-1", "lang": "en"})

    assert stand.sent("gpt") == [
        {
            "trace_id": "5f0c",
            "tenant_id": str(CUSTOMER),
            "provider_id": "gpt",
            "prompt": '{"q":[1,"ü"]}',
            "parameters": {"model": "gpt-4", "max_tokens": 10, "temperature": 0.5},
            "context": {"conversation_id": "c-1", "customer_id": str(CUSTOMER)},
            "config": {"model": "gpt-4", "max_tokens": 10, "style": "plain", "temperature": 0.5},
            "extension": {"id": "gpt", "type": "provider", "version": "v1", "revision": 1},
        }
    ]


async def test_post_gets_the_output_within_the_message(stand: Stand) -> None:
    await stand.run(WHOLE)

    assert stand.sent("mask")[0]["payload"] == {
        **MESSAGE,
        "payload": "Hi, mail me: a@example.com",
        "metadata": {"model": "m"},
        "provider": {"provider_id": "gpt", "usage": {"total_tokens": 9}},
    }


async def test_without_providers_post_works_on_the_message(stand: Stand) -> None:
    done = await stand.run({"pre": [{"id": "normal"}], "post": [{"id": "mask"}]}, {"payload": "to a@example.com"})

    assert done.message == {"payload": "TO A@EXAMPLE.COM"}
    assert (done.reply, done.decision) == (None, None)


async def test_what_a_step_says_of_the_context_is_known_behind_it_but_for_what_only_we_say(stand: Stand) -> None:
    told = {"lang": "de", "tenant_id": "x", "_y": 1, "password": "p", "deadline": 1}
    stand.add("normal", answer={"metadata": told})
    document = {"pre": [{"id": "normal"}], "validators": [{"id": "guard", "when": {"lang": "de"}}]}

    done = await stand.run(document, context={"lang": "en"})

    metadata = stand.sent("guard")[0]["metadata"]
    assert (metadata["lang"], metadata["tenant_id"]) == ("de", str(CUSTOMER))
    assert metadata.keys().isdisjoint({"_y", "password", "deadline"})
    assert done.message == MESSAGE


@pytest.mark.contract("router S-4, F-24")
async def test_no_credential_of_a_context_goes_to_anybody(stand: Stand) -> None:
    inner = {"Password": "planted", "max_tokens": 1, "list": [{"API_KEY": "planted", "b": [2]}, 3]}
    context = {"a": inner, "Token": "planted", "conversation_id": {"secret": "planted", "id": 7}}
    stand.add("normal", answer={"metadata": {"c": {"X-Api-Key": {"deep": "planted"}, "d": 4}}})

    await stand.run(WHOLE, context=context)

    metadata = stand.sent("guard")[0]["metadata"]
    assert (metadata["a"], metadata["c"]) == ({"max_tokens": 1, "list": [{"b": [2]}, 3]}, {"d": 4})
    assert stand.sent("gpt")[0]["context"]["conversation_id"] == {"id": 7}
    assert not any(b"planted" in letter.body for _, letter in stand.desk.letters)
    assert context["a"] is inner
    assert inner["Password"] == "planted"


@pytest.mark.contract("router F-16")
async def test_what_is_optional_may_fail_and_the_old_payload_goes_on(stand: Stand) -> None:
    stand.add("broken", answer=b"no JSON")
    stand.add("silent")

    done = await stand.run({"pre": [{"id": "broken", "mode": "optional"}, {"id": "silent", "mode": "optional"}]})

    assert done.message == MESSAGE
    assert lines(done.executed_extensions) == [
        ("broken", "warn", "EXTENSION_ERROR"),
        ("silent", "warn", "EXTENSION_UNAVAILABLE"),
    ]


@pytest.mark.contract("router R-10a, D-9")
@pytest.mark.contract("router R-10b")
@pytest.mark.parametrize(
    ("answer", "cause", "code"),
    [
        (TooLate(), "EXTENSION_TIMEOUT", 504),
        (NoResponders(), "EXTENSION_UNAVAILABLE", 503),
        (b"[]", "EXTENSION_ERROR", 500),
        ({"error": {"code": "x", "message": "y"}}, "EXTENSION_ERROR", 500),
    ],
)
async def test_a_step_without_a_mode_is_required(stand: Stand, answer: Any, cause: str, code: int) -> None:
    stand.add("normal", answer=answer)

    failure = await stand.fails(WHOLE)

    assert (failure.reason, failure.code) == ("PRE_PROCESSOR_FAILED", code)
    assert failure.run["stage"] == "pre"
    assert (failure.run["extension_id"], failure.run["cause"]) == ("normal", cause)
    assert failure.run["retryable"] is (code != 500)
    assert lines(failure.trace) == [("normal", "error", cause)]
    assert stand.order == ["normal"]


async def test_a_failure_of_post_withholds_the_reply(stand: Stand) -> None:
    stand.add("mask", "post", b"{")

    failure = await stand.fails(WHOLE)

    assert (failure.reason, failure.run["stage"], failure.run["policy_id"]) == ("POST_PROCESSOR_FAILED", "post", "p")
    assert "example.com" not in str(failure.run)


@pytest.mark.contract("router F-12")
@pytest.mark.parametrize(
    "answer",
    [
        {"status": "reject", "reason": "pii_detected", "details": {"pattern": "email"}},
        {"valid": False, "reason": "pii_detected", "details": {"pattern": "email"}},
        {"status": "ok", "valid": False, "reason": "pii_detected", "details": {"pattern": "email"}},
    ],
)
async def test_a_rejection_blocks_in_either_form(stand: Stand, answer: Any) -> None:
    stand.add("guard", "validator", answer)

    failure = await stand.fails(WHOLE)

    assert (failure.reason, failure.status, failure.code) == ("VALIDATOR_BLOCKED", "PERMISSION_DENIED", 403)
    assert (failure.run["cause"], failure.run["stage"]) == ("pii_detected", "validators")
    assert failure.detail_objects() == [{"field": "pattern", "description": "email"}]
    assert failure.is_reject
    assert stand.order == ["normal", "guard"]


@pytest.mark.contract("router R-10a, D-10")
@pytest.mark.parametrize("answer", [b"{}", TooLate(), NoResponders(), {"valid": True, "reason": "processing_error"}])
async def test_a_validator_that_fails_blocks(stand: Stand, answer: Any) -> None:
    stand.add("guard", "validator", answer)

    failure = await stand.fails(WHOLE)

    assert (failure.reason, failure.code, failure.run["cause"]) == ("VALIDATOR_BLOCKED", 403, "validator_failed")
    assert (failure.is_reject, failure.run["retryable"]) == (False, isinstance(answer, TooLate | NoResponders))
    assert "gpt" not in stand.order


@pytest.mark.parametrize("on_fail", ["warn", "ignore"])
async def test_a_validator_may_only_warn_or_be_ignored(stand: Stand, on_fail: str) -> None:
    stand.add("guard", "validator", {"valid": False})
    stand.add("silent", "validator")
    both = [{"id": id, "on_fail": on_fail} for id in ("guard", "silent")]

    done = await stand.run({**WHOLE, "validators": both})

    assert lines(done.executed_extensions)[1:3] == [
        ("guard", on_fail, "validator_failed"),
        ("silent", on_fail, "EXTENSION_UNAVAILABLE"),
    ]
    assert done.reply is not None


@pytest.mark.contract("router R-10b")
@pytest.mark.contract("router F-23")
@pytest.mark.contract("router S-3")
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"enabled": False}, "EXTENSION_DISABLED"),
        ({"metadata": {"allowed_tenants": [str(STRANGER)]}}, "EXTENSION_NOT_FOUND"),
        (None, "EXTENSION_NOT_FOUND"),
    ],
)
async def test_who_is_not_there_for_the_customer_is_not_called(stand: Stand, change: Any, cause: str) -> None:
    for id, type in (("normal", "pre"), ("guard", "validator")):
        if change:
            stand.add(id, type, {"status": "ok"}, **change)
        else:
            del stand.records[id]
            stand.serve()

    required = await stand.fails({"pre": [{"id": "normal"}]})
    optional = await stand.run({"pre": [{"id": "normal", "mode": "optional"}]})
    blocking = await stand.fails({"validators": [{"id": "guard"}]})
    warning = await stand.run({"validators": [{"id": "guard", "on_fail": "warn"}]})

    assert (required.reason, required.run["cause"]) == ("PRE_PROCESSOR_FAILED", cause)
    assert lines(optional.executed_extensions) == [("normal", "skipped", cause)]
    assert (blocking.reason, blocking.run["cause"]) == ("VALIDATOR_BLOCKED", "validator_failed")
    assert lines(warning.executed_extensions) == [("guard", "warn", cause)]
    assert stand.order == []


async def test_a_condition_that_is_false_skips_the_step_and_one_on_the_client_cannot_forge_ours(stand: Stand) -> None:
    document = {
        "pre": [{"id": "normal", "when": {"lang": ["de"]}}],
        "validators": [{"id": "guard", "when": {"tenant_id": str(CUSTOMER)}}],
    }

    done = await stand.run(document, context={"tenant_id": "forged", "lang": "en"})

    assert lines(done.executed_extensions) == [("normal", "skipped", "when"), ("guard", "ok", None)]


@pytest.mark.contract("router P-1")
@pytest.mark.parametrize(("ours", "status"), [("", "skipped"), ("live", "skipped"), ("test", "ok")])
async def test_no_client_says_which_environment_it_is_nor_what_type_its_message_has(ours: str, status: str) -> None:
    stand = Stand(ours)
    stand.add("normal", answer=upper)
    forged = {"environment": "test", "message_type": "vip"}

    steps = [{"id": "normal", "when": {"environment": "test"}}, {"id": "normal", "when": {"message_type": "vip"}}]
    done = await stand.run({"pre": steps}, {"payload": ""}, context=forged)

    assert [one.status for one in done.executed_extensions] == [status, "skipped"]
    for request in stand.sent("normal"):
        assert request["metadata"].keys() == {"environment", "tenant_id", "policy_id", "trace_id"}


async def test_the_deadline_is_looked_at_before_every_step_and_the_rest_is_skipped(stand: Stand) -> None:
    stand.desk.took[stand.records["normal"].subject] = 0.2

    failure = await stand.fails(WHOLE, deadline_ms=200)

    assert (failure.reason, failure.code, failure.status) == ("DEADLINE_EXCEEDED", 504, "DEADLINE_EXCEEDED")
    assert lines(failure.trace) == [
        ("normal", "ok", None),
        ("guard", "skipped", "deadline"),
        ("gpt", "skipped", "deadline"),
        ("mask", "skipped", "deadline"),
    ]
    assert (failure.run["stage"], failure.run["extension_id"], failure.run["retryable"]) == (None, None, True)


async def test_a_deadline_that_is_past_behind_the_validators_skips_the_provider(stand: Stand) -> None:
    stand.desk.took[stand.records["guard"].subject] = 0.2

    failure = await stand.fails(WHOLE, deadline_ms=200)

    assert lines(failure.trace)[2:] == [("gpt", "skipped", "deadline"), ("mask", "skipped", "deadline")]


@pytest.mark.contract("router 5.6, P-4")
@pytest.mark.parametrize(
    ("late", "reason", "status", "code"),
    [
        ("normal", "PRE_PROCESSOR_FAILED", "DEADLINE_EXCEEDED", 504),
        ("guard", "VALIDATOR_BLOCKED", "PERMISSION_DENIED", 403),
        ("gpt", "PROVIDER_FAILED", "DEADLINE_EXCEEDED", 504),
        ("mask", "POST_PROCESSOR_FAILED", "DEADLINE_EXCEEDED", 504),
    ],
)
async def test_a_call_that_the_runs_own_deadline_cuts_short_is_told_as_that(
    stand: Stand, late: str, reason: str, status: str, code: int
) -> None:
    stand.desk.answers[stand.records[late].subject] = TooLate()
    steps = ["normal", "guard", "gpt", "mask"]
    at = steps.index(late)

    failure = await stand.fails(WHOLE, deadline_ms=99)

    assert (failure.reason, failure.cause, failure.status, failure.code) == (reason, "DEADLINE_EXCEEDED", status, code)
    assert (failure.run["extension_id"], failure.run["retryable"]) == (late, True)
    assert lines(failure.trace) == [
        *((id, "ok", None) for id in steps[:at]),
        (late, "error", "DEADLINE_EXCEEDED"),
        *((id, "skipped", "deadline") for id in steps[at + 1 :]),
    ]


async def test_a_call_that_its_own_time_ends_is_a_timeout_of_its_own(stand: Stand) -> None:
    stand.add("normal", answer=TooLate(), timeout_ms=50, retry=0)

    failure = await stand.fails(WHOLE, deadline_ms=99)

    assert (failure.cause, lines(failure.trace)) == ("EXTENSION_TIMEOUT", [("normal", "error", "EXTENSION_TIMEOUT")])


@pytest.mark.parametrize("deadline_ms", [None, 50])
async def test_a_call_that_had_all_of_its_time_is_not_cut_short(stand: Stand, deadline_ms: int | None) -> None:
    stand.add("normal", answer=TooLate(), timeout_ms=50, retry=0)

    failure = await stand.fails({"pre": [{"id": "normal"}]}, deadline_ms=deadline_ms)

    assert failure.cause == "EXTENSION_TIMEOUT"


async def test_a_validator_that_says_so_is_not_late(stand: Stand) -> None:
    stand.add("guard", "validator", {"status": "reject", "reason": "DEADLINE_EXCEEDED"})

    assert [one.id for one in (await stand.fails(WHOLE)).trace] == ["normal", "guard"]


@pytest.mark.parametrize(
    "bounds",
    [
        ({"deadline_ms": 300}, None, None),
        ({}, 300, None),
        ({"deadline_ms": 500}, 400, 300),
    ],
)
async def test_the_shortest_deadline_counts(stand: Stand, bounds: Any) -> None:
    policy, request, client = bounds
    stand.add("normal", answer=TooLate(), timeout_ms=1000)
    context = {} if client is None else {"deadline": stand.clock.now * 1000 + client}

    failure = await stand.fails({**policy, "pre": [{"id": "normal"}]}, deadline_ms=request, context=context)

    assert failure.trace[0].latency_ms == pytest.approx(300)


async def test_a_deadline_that_is_past_calls_nobody_and_one_that_is_no_time_is_refused(stand: Stand) -> None:
    failure = await stand.fails(WHOLE, context={"deadline": 1})

    assert failure.reason == "DEADLINE_EXCEEDED"
    assert [one.status for one in failure.trace] == ["skipped"] * 4
    assert stand.order == []
    for wrong in ("soon", True, [1]):
        with pytest.raises(ValidationFailed):
            await stand.run(context={"deadline": wrong})


@pytest.mark.parametrize(
    ("deadline", "is_past"), [(10**400, False), (1e308, False), (-(10**400), True)], ids=["far", "off", "long ago"]
)
async def test_a_deadline_may_be_any_number(stand: Stand, deadline: float, is_past: bool) -> None:
    context = {"deadline": deadline}
    if is_past:
        assert (await stand.fails(WHOLE, context=context)).reason == "DEADLINE_EXCEEDED"
    else:
        assert (await stand.run(WHOLE, context=context)).trace_id == "5f0c"


@pytest.mark.contract("router S-3")
async def test_a_policy_is_its_customers_and_a_disabled_one_is_not_run(stand: Stand) -> None:
    stand.declare(WHOLE, "off", enabled=False)
    for customer, policy in ((STRANGER, "p"), (None, "p"), (CUSTOMER, "off"), (CUSTOMER, "none")):
        stand.declare(WHOLE)
        with pytest.raises(PolicyNotFound):
            await stand.run(policy, customer_id=customer)
    with pytest.raises(NotReady):
        await Stand().pipelines.run(stand.asked())


async def test_one_snapshot_serves_the_whole_request(stand: Stand) -> None:
    def change(request: dict[str, Any]) -> Any:
        stand.add("guard", "validator", {"valid": False}, enabled=False)
        return {}

    stand.add("normal", answer=change)

    assert (await stand.run({"pre": [{"id": "normal"}], "post": [{"id": "mask"}]})).message == MESSAGE
    first = await stand.fails(WHOLE)

    assert first.run["cause"] == "validator_failed"


async def test_a_pipeline_is_compiled_once_and_anew_when_something_of_it_changes(stand: Stand) -> None:
    stand.declare(WHOLE)
    await stand.run()
    stand.add("stranger")
    await stand.run()
    stand.add("normal", answer=upper, config={"now": "other"})
    await stand.run()

    configs = [request["config"] for request in stand.sent("normal")]
    assert configs[0] == configs[1] != configs[2] == {"now": "other"}


@pytest.mark.contract("router R-10c")
@pytest.mark.contract("router F-13")
async def test_a_callers_dry_run_is_taken_out_and_counted_and_all_is_called(stand: Stand) -> None:
    for message, context in (
        ({**MESSAGE, "dry_run": True}, {}),
        ({**MESSAGE, "metadata": {"dry_run": True, "channel": "web"}}, {}),
        (MESSAGE, {"dry_run": False}),
    ):
        stand.desk.letters.clear()
        done = await stand.run(WHOLE, message, context=context)

        assert stand.order == ["normal", "guard", "gpt", "mask"]
        assert "dry_run" not in str([letter.body for _, letter in stand.desk.letters])
        assert done.message["metadata"] == {"channel": "web"}
    assert (stand.pipelines.ignored, stand.pipelines.dry_runs) == (3, 0)


@pytest.mark.contract("router R-14")
@pytest.mark.parametrize(
    ("given", "trace_id", "begins", "ends"),
    [
        (
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            None,
            "00-4bf92f3577b34da6a3ce929d0e0e4736-",
            "-00",
        ),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", "a" * 32, "00-" + "a" * 32 + "-", "-01"),
        ("nonsense", None, "00-", "-01"),
        (None, "ab" * 16, "00-" + "ab" * 16 + "-", "-01"),
    ],
)
async def test_the_trace_of_the_caller_goes_on_to_the_extension(
    stand: Stand, given: str | None, trace_id: str | None, begins: str, ends: str
) -> None:
    await stand.run({"pre": [{"id": "normal"}]}, traceparent=given, trace_id=trace_id)

    _, letter = stand.desk.letters[0]
    sent = letter.headers["traceparent"]
    assert sent.startswith(begins)
    assert sent.endswith(ends)
    assert len(sent) == 55
    assert sent != given


@pytest.mark.contract("router R-14")
@pytest.mark.parametrize(
    ("traceparent", "asked", "trace_id"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", None, "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", "own", "own"),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-00", None, "5f0c"),
        ("nonsense", None, "5f0c"),
    ],
)
async def test_a_run_is_called_by_the_trace_of_its_caller(
    stand: Stand, traceparent: str, asked: str | None, trace_id: str
) -> None:
    done = await stand.run({"pre": [{"id": "normal"}]}, traceparent=traceparent, trace_id=asked)

    (sent,) = stand.sent("normal")
    assert (done.trace_id, sent["trace_id"], sent["metadata"]["trace_id"]) == (trace_id,) * 3


@pytest.mark.contract("router F-14")
async def test_a_request_without_a_customer_says_null(stand: Stand) -> None:
    await stand.tries("", customer_id=None, document={"pre": [{"id": "normal"}]}, policy_id=None)

    assert stand.sent("normal")[0]["tenant_id"] is None


@pytest.mark.contract("router F-15, F-16")
async def test_behind_a_provider_a_payload_that_does_not_say_what_becomes_of_the_reply_is_malformed(
    stand: Stand,
) -> None:
    stand.add("normal", answer={"payload": {"other": 1}})
    stand.add("mask", "post", {"payload": {"other": 1}})

    failure = await stand.fails(WHOLE)

    assert lines(failure.trace)[0] == ("normal", "ok", None)
    assert (failure.reason, failure.cause) == ("POST_PROCESSOR_FAILED", "EXTENSION_ERROR")
    assert (await stand.run({**WHOLE, "providers": []})).message == {"other": 1}


@pytest.mark.contract("router R-10a")
@pytest.mark.parametrize("answer", [{"status": "reject"}, {"error": {"code": "x"}}])
async def test_what_warns_is_logged_and_what_is_ignored_is_not(stand: Stand, answer: Any) -> None:
    stand.add("guard", "validator", answer)
    told = []
    for word in ("warn", "ignore"):
        with structlog.testing.capture_logs() as logs:
            await stand.run({"validators": [{"id": "guard", "on_fail": word}]})
        told.append([one.get("extension") for one in logs if one["log_level"] == "warning"])

    assert told == [["guard"], []]


@pytest.mark.contract("router R-14, S-4")
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (says("Hi", usage="many"), "its reply is malformed: usage"),
        (TooLate(), "it did not answer in time"),
        ({"error": {"code": "no_room", "message": "for Ann of 12 Elm Street"}}, "it answered with the error no_room"),
        ({"error": {"code": "A4111-1111"}}, "it answered with an error"),
        ({"error": {"code": "ann4711", "message": "Hello"}}, "it answered with an error"),
    ],
)
async def test_the_log_of_a_run_that_failed_says_why(stand: Stand, answer: Any, why: str) -> None:
    stand.add("gpt", "provider", answer)

    with structlog.testing.capture_logs() as logs:
        await stand.fails(WHOLE)

    (line,) = [one for one in logs if one["event"] == "ran"]
    assert (line["status"], line["why"]) == ("PROVIDER_FAILED", why)
    assert not re.search("Hello|Ann", str(line))


async def test_what_a_run_got_over_is_not_why_it_failed(stand: Stand) -> None:
    stand.add("gpt", "provider", TooLate())
    stand.add("spare", "provider", says("Hi"))
    stand.add("mask", "post", enabled=False)
    document = {**WHOLE, "fallbacks": [{"to": "spare"}], "validators": []}

    with structlog.testing.capture_logs() as logs:
        await stand.fails(document)

    (line,) = [one for one in logs if one["event"] == "ran"]
    assert (line["status"], "why" in line) == ("POST_PROCESSOR_FAILED", False)
