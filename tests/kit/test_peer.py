"""What a client makes of replies, of silence, and of a carrier that fails."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import structlog

from ringback.kit.breaker import State
from ringback.kit.errors import (
    AlreadyExists,
    FailedPrecondition,
    Failure,
    Fault,
    Internal,
    InvalidArgument,
    InvalidJsonBody,
    NotFound,
    PaymentRequired,
    PeerUnavailable,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
    ValidationFailed,
)
from ringback.kit.peer import Peer, filled
from ringback.kit.replies import KINDS, MethodNotServed, UnreadableReply
from ringback.kit.secret import Secret

ANYTHING: msgspec.json.Decoder[dict[str, int]] = msgspec.json.Decoder(dict[str, int])
Answer = Callable[[], bytes]


class Gone(NotFound):
    """It is gone."""

    reason = "GONE"


class Asked(msgspec.Struct):
    """A body."""

    name: str | None = None
    password: Secret | None = None
    on: bool | None = None


class Edge:
    """The other end of a transport: answers what the test says, or never; time is the test's as well."""

    def __init__(self, answer: bytes = b'{"status_code":200,"data":{"count":3}}') -> None:
        self.answer = answer
        self.error: BaseException | None = None
        self.silent = False
        self.taken: list[tuple[str, dict[str, Any], float]] = []
        self.observed: list[tuple[Any, ...]] = []
        self.now = 1000.0

    async def send(self, target: str, envelope: bytes, seconds: float) -> bytes:
        self.taken.append((target, msgspec.json.decode(envelope), seconds))
        if self.silent:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        self.now += 0.25
        return self.answer

    def peer(self, **more: Any) -> Peer:
        return Peer(self.send, "there", "test", (Gone,), observer=self, clock=lambda: self.now, **more)

    def observe_asked(self, target: str, resource: str, method: str, milliseconds: float) -> None:
        self.observed.append((target, resource, method, milliseconds))

    def observe_breaker(self, target: str, state: int) -> None:
        self.observed.append((target, State(state)))

    def observe_rejected(self, target: str) -> None:
        self.observed.append((target, "rejected"))


async def asked(peer: Peer) -> dict[str, int]:
    return await peer.ask(ANYTHING, "GET", "/v1/things/<thing-id>", "a b", query={"x": 1, "y": None})


async def refused(peer: Peer) -> Failure:
    with pytest.raises(Failure) as caught:
        await asked(peer)
    return caught.value


def typed(status_code: int = 404, **data: Any) -> bytes:
    return msgspec.json.encode({"status_code": status_code, "data_type": "voipbin_error", "data": data})


# ---- envelopes --------------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-86")
async def test_an_envelope_says_who_asks_what_and_under_which_request_id() -> None:
    edge = Edge()
    body = Asked(name="x", password=Secret("Sample-Pass-0001"), on=False)

    with structlog.contextvars.bound_contextvars(request_id="req_mine"):
        await edge.peer().tell("PUT", "/v1/things", data=body)
    await edge.peer().tell("GET", "/v1/things")

    (target, first, seconds), (_, second, _) = edge.taken
    assert (target, seconds) == ("there", 3.0)
    assert first == {
        "uri": "/v1/things",
        "method": "PUT",
        "publisher": "test",
        "data_type": "application/json",
        "data": {"name": "x", "password": "Sample-Pass-0001", "on": False},
        "request_id": "req_mine",
    }
    assert second.pop("request_id").startswith("req_")
    assert second == {"uri": "/v1/things", "method": "GET", "publisher": "test", "data_type": ""}


def test_a_value_in_a_path_is_one_segment_whatever_it_holds() -> None:
    assert filled("/v1/<a>/x/<b>", ("+1/2?3#4%", "ü"), {}) == "/v1/%2B1%2F2%3F3%234%25/x/%C3%BC"
    assert filled("/v1/<a>", ("\ud800",), {"b": "\ud800"}) == "/v1/%3F?b=%3F"
    assert filled("/v1", (), {"a": None}) == "/v1"
    assert filled("/v1", (), {"a": "+ &", "b": None, "c": ""}) == "/v1?a=%2B+%26&c="


async def test_what_is_no_text_is_refused_before_it_is_sent() -> None:
    edge = Edge()

    with pytest.raises(InvalidJsonBody):
        await edge.peer().tell("PUT", "/v1/things", data=Asked(name="\ud800"))

    assert edge.taken == []


# ---- replies ----------------------------------------------------------------------------------------------------


@pytest.mark.contract("registrar R-86")
@pytest.mark.parametrize(
    "answer",
    [
        b'{"status_code":200,"data_type":"application/json","data":{"count":3}}',
        b'{"status_code":200,"data_type":"application/json","data":"{\\"count\\":3}"}',
        b'{"status_code":201,"data_type":"","data": {"count":3},"more":[1]}\n',
    ],
)
async def test_data_is_embedded_json_or_a_string_that_holds_it(answer: bytes) -> None:
    assert await asked(Edge(answer).peer()) == {"count": 3}


@pytest.mark.parametrize("data", [b"", b',"data":null', b',"data":""', b',"data":{}', b',"data":"{}"'])
async def test_a_reply_without_data_is_success_where_none_is_wanted(data: bytes) -> None:
    await Edge(b'{"status_code":200,"data_type":""' + data + b"}").peer().tell("PUT", "/v1/things")


@pytest.mark.contract("registrar R-86")
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"hello",
        b"[]",
        b"null",
        b"{}",
        b'{"status_code":"200"}',
        b'{"status_code":200}',
        b'{"status_code":200,"data":null}',
        b'{"status_code":200,"data":[]}',
        b'{"status_code":200,"data":{"count":"three"}}',
        b'{"status_code":200,"data":"hello"}',
        b'{"status_code":200,"data":"\\ud800"}',
        b'{"status_code":200,"data":"\xff"}',
        b'{"status_code":200,"data":{"count":3}} x',
        b'{"status_code":200,"data":' + b"[" * 100_000,
        b'{"status_code":200,"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda answer: repr(answer[:60]),
)
async def test_a_reply_that_is_not_understood_is_a_typed_error(answer: bytes) -> None:
    failure = await refused(Edge(answer).peer())

    assert (type(failure), failure.reason) == (UnreadableReply, "UNREADABLE_REPLY")
    assert isinstance(failure, Unavailable)


@pytest.mark.contract("registrar R-86")
async def test_a_reason_that_is_known_is_its_class_with_the_faults_and_the_sentence() -> None:
    details = [{"field": "a", "description": "must be b"}, {"field": "c", "description": "is required", "more": 1}]

    data = {"status": "NOT_FOUND", "reason": "GONE", "domain": "x", "message": "Gone for good.", "details": details}
    for embedded in (data, msgspec.json.encode(data).decode()):
        answer = msgspec.json.encode({"status_code": 404, "data_type": "voipbin_error", "data": embedded})
        failure = await refused(Edge(answer).peer())

        assert type(failure) is Gone
        assert failure.faults == (Fault("a", "must be b"), Fault("c", "is required"))
        assert failure.sentence == "Gone for good."
        assert str(failure) == "Gone for good.; a must be b; c is required"
    assert (Gone.reason, Gone().sentence) == ("GONE", "It is gone.")


@pytest.mark.contract("registrar R-86")
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.status)
async def test_a_reason_that_is_unknown_is_the_class_of_its_status_and_stays(kind: type[Failure]) -> None:
    failure = await refused(Edge(typed(kind.code, status=kind.status, reason="NEWS_TO_US", message="So.")).peer())

    assert (type(failure), failure.reason, failure.sentence) == (kind, "NEWS_TO_US", "So.")
    assert (failure.status, failure.code) == (kind.status, kind.code)
    assert kind.reason != "NEWS_TO_US"


async def test_a_known_reason_under_another_status_is_of_that_status() -> None:
    failure = await refused(Edge(typed(409, status="FAILED_PRECONDITION", reason="GONE")).peer())

    assert (type(failure), failure.reason) == (FailedPrecondition, "GONE")


@pytest.mark.contract("registrar R-86")
@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (b'{"status_code":405,"data_type":""}', MethodNotServed, "METHOD_NOT_SERVED"),
        (b'{"status_code":400}', InvalidArgument, "INVALID_ARGUMENT"),
        (b'{"status_code":402}', PaymentRequired, "PAYMENT_REQUIRED"),
        (b'{"status_code":403}', PermissionDenied, "PERMISSION_DENIED"),
        (b'{"status_code":404,"data":{"count":3}}', NotFound, "NOT_FOUND"),
        (b'{"status_code":409}', FailedPrecondition, "FAILED_PRECONDITION"),
        (b'{"status_code":418}', InvalidArgument, "INVALID_ARGUMENT"),
        (b'{"status_code":429}', ResourceExhausted, "RESOURCE_EXHAUSTED"),
        (b'{"status_code":500,"data":"oh no"}', Internal, "INTERNAL"),
        (b'{"status_code":503}', Unavailable, "UNAVAILABLE"),
        (b'{"status_code":300,"data":{"count":3}}', Internal, "INTERNAL"),
        (b'{"status_code":599}', Internal, "INTERNAL"),
        (b'{"status_code":0,"data":{"count":3}}', Internal, "INTERNAL"),
        (typed(404, status="NOT_FOUND"), NotFound, "NOT_FOUND"),
        (typed(404, status="NOT_FOUND", reason=7), NotFound, "NOT_FOUND"),
        (typed(409, status="STRANGE", reason="GONE"), FailedPrecondition, "GONE"),
        (typed(409, status="ALREADY_EXISTS", reason=""), AlreadyExists, "ALREADY_EXISTS"),
        (typed(404, reason="GONE", details="none"), Gone, "GONE"),
        (typed(200, status="NOT_FOUND", reason="GONE", details=[1, {"field": 1}, {}]), Gone, "GONE"),
        (b'{"status_code":404,"data_type":"voipbin_error","data":"{"}', NotFound, "NOT_FOUND"),
        (b'{"status_code":404,"data_type":"voipbin_error"}', NotFound, "NOT_FOUND"),
    ],
    ids=lambda value: repr(value)[:70] if isinstance(value, bytes) else "",
)
async def test_a_refusal_without_a_typed_body_is_a_typed_error(answer: bytes, kind: type[Failure], reason: str) -> None:
    failure = await refused(Edge(answer).peer())

    assert (type(failure), failure.reason, failure.faults) == (kind, reason, ())
    assert failure.sentence.endswith(".")


@pytest.mark.parametrize(
    ("answer", "domain"),
    [
        (typed(404, status="NOT_FOUND", reason="GONE", domain="shop"), "shop"),
        (typed(404, status="NOT_FOUND", reason="NEWS_TO_US", domain="shop"), "shop"),
        (typed(404, status="NOT_FOUND", reason="GONE"), ""),
        (b'{"status_code":404}', None),
        (b'{"status_code":404,"data_type":"voipbin_error"}', None),
        (b'{"status_code":405}', None),
        (b"hello", None),
    ],
)
async def test_a_typed_error_tells_whose_it_is_and_all_else_is_nobodys(answer: bytes, domain: str | None) -> None:
    failure = await refused(Edge(answer).peer())

    assert failure.domain == domain
    assert (Gone().domain, PeerUnavailable().domain) == (None, None)


def test_a_failure_in_anothers_words_changes_no_other() -> None:
    failure = ValidationFailed.of("OTHER", "Other.", [Fault("a", "b")])

    assert (failure.reason, failure.sentence) == ("OTHER", "Other.")
    assert (ValidationFailed().reason, ValidationFailed().sentence) == (
        "VALIDATION_FAILED",
        "One or more fields are invalid.",
    )


# ---- silence ----------------------------------------------------------------------------------------------------


async def silence(edge: Edge, peer: Peer) -> PeerUnavailable:
    edge.silent = True
    failure = await refused(peer)
    edge.silent = False
    assert isinstance(failure, PeerUnavailable)
    assert failure.reason == "PEER_UNAVAILABLE"
    return failure


@pytest.mark.contract("registrar R-86")
async def test_silence_is_a_typed_error_and_the_next_one_is_asked() -> None:
    edge = Edge()
    peer, begun = edge.peer(timeout=0.0), asyncio.get_running_loop().time()

    assert (await silence(edge, peer)).asked

    assert asyncio.get_running_loop().time() - begun < 1
    assert await asked(edge.peer()) == {"count": 3}
    assert [seconds for _, _, seconds in edge.taken] == [0.0, 3.0]


@pytest.mark.contract("registrar R-86")
async def test_after_five_silences_nobody_is_asked_for_thirty_seconds_and_then_one_probe_is() -> None:
    edge = Edge()
    peer = edge.peer(timeout=0.0)
    for _ in range(5):
        await silence(edge, peer)

    for _ in range(3):
        failure = await silence(edge, peer)
        assert not failure.asked
    assert len(edge.taken) == 5

    edge.now += 30
    edge.silent = True
    failures = await asyncio.gather(*(refused(peer) for _ in range(4)))
    assert [isinstance(failure, PeerUnavailable) and failure.asked for failure in failures] == [True] + [False] * 3
    assert len(edge.taken) == 6


@pytest.mark.contract("registrar R-86")
async def test_a_probe_that_is_answered_even_by_a_refusal_ends_the_pause() -> None:
    edge = Edge()
    peer = edge.peer(timeout=0.0)
    for _ in range(5):
        await silence(edge, peer)
    edge.now += 30
    edge.answer = b'{"status_code":503}'

    assert type(await refused(peer)) is Unavailable

    edge.answer = b'{"status_code":200,"data":{"count":3}}'
    assert await asked(peer) == {"count": 3}


async def test_refusals_and_carriers_that_fail_are_no_silence() -> None:
    edge = Edge()
    peer = edge.peer(timeout=0.0)
    for error in (ConnectionResetError(), OSError("no route"), Gone(), PeerUnavailable(asked=False)):
        edge.error = error
        for _ in range(6):
            await refused(peer)
    edge.error, edge.answer = None, b"hello"
    for _ in range(6):
        await refused(peer)

    edge.answer = b'{"status_code":200,"data":{"count":3}}'
    assert await asked(peer) == {"count": 3}


@pytest.mark.parametrize(
    ("error", "kind"),
    [(ConnectionResetError("gone"), PeerUnavailable), (OSError("no"), PeerUnavailable), (Gone(), Gone)],
    ids=repr,
)
async def test_a_carrier_that_fails_is_a_typed_error(error: Exception, kind: type[Failure]) -> None:
    edge = Edge()
    edge.error = error

    assert type(await refused(edge.peer())) is kind


async def test_a_carriers_own_timeout_is_a_silence() -> None:
    edge = Edge()
    peer = edge.peer()
    edge.error = TimeoutError()
    for _ in range(5):
        await refused(peer)

    failure = await refused(peer)

    assert len(edge.taken) == 5
    assert isinstance(failure, PeerUnavailable)


async def test_a_probe_whose_asker_gives_up_leaves_its_place_to_the_next() -> None:
    edge = Edge()
    impatient, edge.silent = edge.peer(timeout=0.0), True
    for _ in range(5):
        await refused(impatient)
    edge.now += 30
    edge.error, edge.silent = asyncio.CancelledError(), False
    with pytest.raises(asyncio.CancelledError):
        await asked(impatient)
    edge.error = None

    assert await asked(impatient) == {"count": 3}


@pytest.mark.contract("registrar R-86")
async def test_the_observer_hears_of_times_states_and_rejections_and_of_no_id() -> None:
    edge = Edge()
    peer = edge.peer(timeout=0.0)
    await asked(peer)
    for _ in range(6):
        await silence(edge, peer)
    edge.now += 30
    await asked(peer)

    request = ("there", "/v1/things/<thing-id>", "GET")
    assert edge.observed == [
        ("there", State.CLOSED),
        (*request, 250.0),
        *[(*request, 0.0)] * 4,
        ("there", State.OPEN),
        (*request, 0.0),
        ("there", "rejected"),
        ("there", State.PROBING),
        ("there", State.CLOSED),
        (*request, 250.0),
    ]
