"""Replies as they are read: both forms of each, and nothing that is not as it must be."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringback.kit.bus import Letter
from ringback.router.invoking.outcome import Malformed, Refused
from ringback.router.pipelines.replies import Processed, Said, Verdict, said, verdict
from ringback.router.pipelines.replies import processed as pre
from ringback.router.pipelines.replies import processed_reply as post
from tests.router.pipelines.stand import Stand

MAIL = "anna@example.com"


def letter(reply: Any) -> Letter:
    return Letter(reply if isinstance(reply, bytes) else msgspec.json.encode(reply))


def deep(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


EVERYBODYS: list[Any] = [
    b"",
    b"nonsense",
    b"[]",
    b'"text"',
    b"null",
    b'{"payload":NaN}',
    b'{"payload":Infinity}',
    b'{"payload":1e999}',
    b'{"payload":"\xff"}',
    b'{"payload":"\\ud800"}',
    b'{"payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    {"error": "text"},
    {"error": None},
    {"status": "fine"},
    {"status": 1},
]
OF: dict[Callable[[Letter], Any], list[Any]] = {
    pre: [
        {"payload": None},
        {"payload": []},
        {"payload": 1},
        {"metadata": []},
        {"metadata": None},
        {"payload": deep(11)},
        {"metadata": deep(11)},
        {"payload": "x", "more": deep(11)},
        {"metadata": {"a": "x" * 65_536}},
    ],
    post: [{"payload": {"metadata": {}}}, {"payload": {"payload": None}}],
    verdict: [
        {},
        {"status": None},
        {"status": "success"},
        {"valid": "true"},
        {"valid": None},
        {"status": "ok", "valid": 1},
        {"status": "ok", "reason": 1},
        {"status": "ok", "details": []},
        {"status": "ok", "details": deep(10)},
        {"status": "ok", "more": deep(10)},
        {"status": "ok", "more": deep(500)},
        b'{"status":"reject","status":"ok"}',
        b'{"status":"ok","x":[{"a":1},{"b":1,"b":2}]}',
        b'{"status":"ok","details":{"a":1,"a":2}}',
    ],
    said: [
        {},
        {"output": None},
        {"output": "x", "usage": []},
        {"output": "x", "usage": {"total_tokens": "9"}},
        {"output": "x", "usage": {"total_tokens": True}},
        {"output": "x", "usage": {"total_tokens": -1}},
        {"output": "x", "usage": {"total_tokens": 2**53}},
        {"status": "ok", "response": {"payload": "x"}},
        {"output": "x", "metadata": []},
        {"output": "x", "provider_id": 1},
        {"output": "x", "status": "weird"},
        {"output": deep(10)},
        {"output": "x", "more": deep(10)},
        {"status": "success"},
        {"status": "success", "response": "text"},
    ],
}


@pytest.mark.contract("router R-9e")
@pytest.mark.contract("router S-2")
@pytest.mark.contract("router F-16")
@pytest.mark.parametrize(
    ("read", "reply"),
    [(read, reply) for read, own in OF.items() for reply in [*EVERYBODYS, *own]],
)
def test_what_is_not_as_it_must_be_is_malformed(read: Callable[[Letter], Any], reply: Any) -> None:
    with pytest.raises(Malformed):
        read(letter(reply))


@pytest.mark.parametrize("read", list(OF))
@pytest.mark.parametrize(
    "reply",
    [
        {"error": {"code": "too_long", "message": f"of {MAIL} and no more"}},
        {"provider_id": "x", "status": "error", "error_code": "too_long", "error_message": f"of {MAIL} and no more"},
    ],
)
def test_a_failure_is_told_in_either_form_without_what_identifies_people(read: Any, reply: Any) -> None:
    with pytest.raises(Refused) as failure:
        read(letter(reply))

    assert (failure.value.code, failure.value.told) == ("too_long", "of [EMAIL_MASKED] and no more")


@pytest.mark.contract("router F-24")
@pytest.mark.parametrize("code", [MAIL, "two words", 7, None, "x" * 65, "4111-1111-1111-1111"])
def test_a_code_that_is_no_identifier_is_not_passed_on(code: Any) -> None:
    with pytest.raises(Refused) as failure:
        pre(letter({"error": {"code": code, "message": ["x"]}}))

    assert (failure.value.code, failure.value.told) == ("error", "")


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        ({}, Processed()),
        ({"status": "ok"}, Processed()),
        ({"payload": "text"}, Processed(text="text")),
        ({"payload": {"payload": 1}, "metadata": {"a": 1}, "more": 1}, Processed({"payload": 1}, metadata={"a": 1})),
        ({"payload": deep(10), "more": deep(10)}, Processed(deep(10))),
    ],
)
def test_pre_and_post_give_a_payload_a_text_or_neither(reply: Any, read: Processed) -> None:
    assert pre(letter(reply)) == read


@pytest.mark.contract("router F-12")
@pytest.mark.parametrize(
    ("reply", "is_fine"),
    [
        ({"status": "ok"}, True),
        ({"valid": True}, True),
        ({"status": "ok", "valid": True, "payload": {"x": 1}}, True),
        ({"status": "ok", "more": deep(9)}, True),
        ({"status": "reject"}, False),
        ({"valid": False}, False),
        ({"status": "ok", "valid": False}, False),
        ({"status": "reject", "valid": True}, False),
    ],
)
def test_a_validator_says_yes_or_no_in_either_form(reply: Any, *, is_fine: bool) -> None:
    assert verdict(letter(reply)).is_fine is is_fine


def test_a_processing_error_is_no_verdict() -> None:
    with pytest.raises(Refused):
        verdict(letter({"status": "reject", "reason": "processing_error"}))


@pytest.mark.contract("router S-5")
@pytest.mark.contract("router F-24")
def test_of_a_verdict_only_numbers_and_identifiers_are_passed_on_and_its_reason_is_cut_and_masked() -> None:
    details = {
        "field": "payload.text", "pattern": "email", "count": 2, "rule": MAIL, "code": True, "match": MAIL, "value": 1,
    }  # fmt: skip
    reply = {"valid": False, "reason": f"found {MAIL} " + "x" * 300, "details": details}

    read = verdict(letter(reply))

    assert read.details == {"field": "payload.text", "pattern": "email", "count": 2}
    assert read.reason is not None
    assert read.reason.startswith("found [EMAIL_MASKED] x")
    assert len(read.reason) == 255
    assert verdict(letter({"valid": False, "reason": "c4111111111111111"})).reason == "c[CARD_MASKED]"


@pytest.mark.contract("router S-5")
@pytest.mark.contract("router F-24")
@pytest.mark.parametrize(
    "value",
    [
        4111111111111111, -4111111111111111, 4111111111111111.0, 5105105105105100, 0.4111111111111111,
        478283679, -478283679,
        "card.4111111111111111", "c4111111111111111", "card4111111111111111", "a4111.1111_1111.1111", "ssn_123.45.6789",
    ],
)  # fmt: skip
def test_details_that_identify_people_are_not_passed_on(value: Any) -> None:
    assert verdict(letter({"valid": False, "details": {"code": value, "count": 41111, "rule": "v1.2"}})).details == {
        "count": 41111,
        "rule": "v1.2",
    }


@pytest.mark.parametrize(
    ("reply", "read"),
    [
        ({"provider_id": "x", "output": "hi"}, Said("hi")),
        ({"status": "ok", "output": "hi"}, Said("hi")),
        (
            {"status": "success", "output": "hi", "usage": {"total_tokens": 2**53 - 1}},
            Said("hi", {"total_tokens": 2**53 - 1}),
        ),
        ({"output": deep(9), "more": deep(9)}, Said(deep(9))),
        (
            {"output": {"a": 1}, "usage": {"total_tokens": 3, "cost": 2}, "metadata": {"model": "m"}},
            Said({"a": 1}, {"total_tokens": 3}, {"model": "m"}),
        ),
        ({"status": "success", "provider_id": "x", "response": {"payload": "hi"}}, Said("hi")),
        ({"status": "success", "response": {"text": "hi"}, "metadata": {"m": 1}}, Said({"text": "hi"}, {}, {"m": 1})),
    ],
)
def test_a_provider_replies_in_either_form(reply: Any, read: Said) -> None:
    assert said(letter(reply)) == read


bodies = st.binary(max_size=64) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["payload", "metadata", "status", "valid", "reason", "details", "output", "usage", "error", "response"]
            ),
            inner,
            max_size=4,
        )
    ),
).map(msgspec.json.encode)


@pytest.mark.contract("router F-16")
@settings(max_examples=50)
@given(bodies)
def test_whatever_comes_is_a_value_or_a_failed_call(body: bytes) -> None:
    for read in OF:
        try:
            assert isinstance(read(Letter(body)), Processed | Verdict | Said)
        except (Malformed, Refused):
            continue


async def test_a_message_as_deep_as_may_be_comes_back_from_an_extension_that_echoes() -> None:
    stand = Stand()
    stand.add("echo", answer=lambda asked: {"payload": asked["payload"]})

    done = await stand.run({"pre": [{"id": "echo"}]}, deep(10))

    assert done.message == deep(10)
