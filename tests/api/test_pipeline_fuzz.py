"""Router extensions that answer anything at all: there is a result or a typed error, and the next one is served."""

import json
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ringback.kit.bus import Letter
from tests.api.planted import FINE, Plant

SCALARS: Final = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20)
)
JSON: Final = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS: Final = st.sampled_from(
    ["payload", "metadata", "status", "valid", "reason", "details", "error", "error_code", "error_message", "code",
     "message", "provider_id", "output", "usage", "response", "prompt_tokens", "text"]
)  # fmt: skip
WORDS: Final = st.sampled_from(
    ["ok", "reject", "error", "success", "processing_error", "not_configured", "timeout", ""]
)
OBJECTS: Final = st.recursive(
    WORDS | SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=12
)
STRANGE: Final = st.sampled_from(
    [b"", b"NaN", b"{", b'{"payload":NaN}', b'{"output":Infinity}', b'{"status":"ok","status":"reject"}', b"\xff\xfe",
     b'{"payload":"\\ud800"}', b'{"reason":"\xc3\x28"}', b"\xef\xbb\xbf{}", b"[" * 100_000,
     b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
     b'{"usage":{"prompt_tokens":1e400}}', b'{"output":' + b"9" * 5_000 + b"}", b'"' + b"x" * 1_100_000 + b'"',
     b"null", b"{}\x00",
     b'{"payload":{"payload":' + b"[" * 11 + b"]" * 11 + b"}}"]
)  # fmt: skip
HEADERS: Final = st.dictionaries(
    st.sampled_from(["Nats-Service-Error", "Nats-Service-Error-Code", "X-Other"]), st.text(max_size=20), max_size=2
)


def changed(type: str) -> st.SearchStrategy[Any]:
    """A good reply with something else in the place of some of its values."""
    return st.dictionaries(KEYS, OBJECTS | JSON, max_size=3).map(lambda more: FINE[type] | more)


def bodies(type: str) -> st.SearchStrategy[bytes]:
    told = (JSON | OBJECTS | changed(type)).map(lambda value: json.dumps(value).encode())
    return (
        st.binary(max_size=40) | STRANGE | told | st.tuples(told, st.integers(0, 80)).map(lambda cut: cut[0][: cut[1]])
    )


ALLOWED: Final = {
    "pre": {(200, ""), (500, "PRE_PROCESSOR_FAILED")},
    "validator": {(200, ""), (403, "VALIDATOR_BLOCKED")},
    "provider": {(200, ""), (500, "PROVIDER_FAILED"), (503, "PROVIDER_FAILED")},
    "post": {(200, ""), (500, "POST_PROCESSOR_FAILED")},
}


@pytest.mark.contract("router F-16, R-9e")
@pytest.mark.parametrize("type", ALLOWED)
@pytest.mark.long
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_whatever_an_extension_answers_the_caller_gets_a_result_or_a_typed_error(
    plant: Plant, type: str, data: st.DataObject
) -> None:
    plant.replies[type] = Letter(data.draw(bodies(type)), data.draw(HEADERS))
    with capture_logs() as lines:
        answer = await plant.ask()
    plant.heal()

    said = answer.json()
    reason = said.get("error", {}).get("reason", "")
    assert (answer.status_code, reason) in ALLOWED[type], answer.text
    if reason:
        assert said["error"]["run"]["extension_id"] == f"planted_{type}"
        assert said["error"]["run"]["executed_extensions"][-1]["status"] == "error"
    json.dumps(said, allow_nan=False).encode()
    assert not [line for line in lines if {"exc_info", "exception", "stack"} & line.keys()]
    assert (await plant.ask()).status_code == 200
