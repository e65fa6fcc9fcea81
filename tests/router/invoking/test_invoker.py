"""Calls of router extensions: what they count as, how often they are tried, and that they end in time."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.kit.bus import BusAway, Letter, NoResponders, NotServedYet, TooLarge, TooLate
from ringback.router.invoking.breaker import CircuitBreaker
from ringback.router.invoking.invoker import Invoker
from ringback.router.invoking.outcome import Asked, Malformed, Refused
from ringback.transports.memory import MemoryServices
from tests.patience import ENOUGH
from tests.router.invoking.edges import OK, Answer, Room, reading, record

FAILED = Letter(b"{}", {"Nats-Service-Error": "it broke for anna@example.com", "Nats-Service-Error-Code": "500"})
NO_CODE = Letter(b"{}", {"Nats-Service-Error-Code": "x" * 65})
REFUSED = Letter(b"{}", {"Nats-Service-Error": "too long", "Nats-Service-Error-Code": "too_large"})
ABSENT = Letter(b"{}", {"Nats-Service-Error": "no key", "Nats-Service-Error-Code": "not_configured"})


def refuse(code: str) -> Any:
    def read(letter: Letter) -> object:
        raise Refused(code, "told")

    return read


def fail(error: Exception) -> Any:
    def read(letter: Letter) -> object:
        raise error

    return read


def counted(room: Room, id: str = "upper") -> tuple[int, int]:
    circuit = room.circuits.by_id[id]
    return circuit.successes, circuit.failures


@pytest.mark.contract("router R-9c, T-4")
async def test_a_reply_is_read_and_each_try_has_its_number_and_the_same_bytes() -> None:
    room, body = Room(TooLate(), OK, took=0.25), b'{"payload": "x"}'

    outcome = await room.call(record(retry=1), body=body, headers={"X-Request-Id": "req_1"})

    assert all(letter.body is body for _, _, letter in room.bus.asked)

    assert (outcome.value, outcome.cause, outcome.attempts) == ({"payload": "fine"}, None, 2)
    assert outcome.latency_ms == pytest.approx(1000 + 75 + 250)
    assert [letter.headers for _, _, letter in room.bus.asked] == [
        {"X-Request-Id": "req_1", "Ringback-Attempt": "1"},
        {"X-Request-Id": "req_1", "Ringback-Attempt": "2"},
    ]


@pytest.mark.contract("router R-7a")
async def test_the_latency_of_its_health_is_that_of_the_last_try() -> None:
    room = Room(TooLate(), OK, took=0.25)

    await room.call(record(retry=1))

    circuit = room.circuits.by_id["upper"]
    assert circuit.last_ms == pytest.approx(250)
    assert circuit.milliseconds == pytest.approx(250)


@pytest.mark.contract("router R-8b, F-18")
async def test_half_open_three_calls_are_let_through_at_a_time() -> None:
    room = Room(*[TooLate()] * 5)
    for _ in range(5):
        await room.call()
    room.clock.now += 60
    room.bus.gate = asyncio.Event()
    probes = [asyncio.create_task(room.call()) for _ in range(3)]
    await asyncio.sleep(0)
    assert len(room.bus.asked) == 5 + 3

    async with asyncio.timeout(ENOUGH):
        assert (await room.call()).cause == "unavailable"
    room.bus.gate.set()
    assert [one.cause for one in await asyncio.gather(*probes)] == [None] * 3


@pytest.mark.contract("router R-8c, R-8d, R-9e, F-19")
@pytest.mark.parametrize(
    ("answer", "read", "cause", "counts"),
    [
        (OK, None, None, (1, 0)),
        (TooLate(), None, "timeout", (0, 1)),
        (NoResponders(), None, "no_responders", (0, 1)),
        (NotServedYet(), None, "no_responders", (0, 0)),
        (FAILED, None, "error", (0, 1)),
        (NO_CODE, None, "error", (0, 1)),
        (Letter(OK.body, {"Nats-Service-Error": "it broke"}), None, "error", (0, 1)),
        (OK, refuse("boom"), "error", (0, 1)),
        (OK, fail(Malformed("no object")), "malformed", (0, 1)),
        (OK, fail(RecursionError()), "malformed", (0, 1)),
        (Letter(b" " * (1 << 20) + b"{}"), None, "malformed", (0, 1)),
        (ABSENT, None, "not_configured", (0, 0)),
        (OK, refuse("not_configured"), "not_configured", (0, 0)),
        (REFUSED, None, "too_large", (0, 0)),
        (OK, refuse("too_large"), "too_large", (0, 0)),
        (BusAway(), None, "unavailable", (0, 0)),
        (TooLarge(), None, "too_large", (0, 0)),
    ],
)  # fmt: skip
async def test_what_counts_as_failure_as_success_and_as_neither(
    answer: Answer, read: Any, cause: str | None, counts: tuple[int, int]
) -> None:
    room = Room(*[answer] * 6)
    asked = {"read": read} if read else {}

    outcomes = [await room.call(**asked) for _ in range(6)]

    assert [one.cause for one in outcomes[:5]] == [cause] * 5
    assert (outcomes[0].value is None) == (cause is not None)
    assert counted(room) == (counts[0] * 6, counts[1] * 5)
    assert room.circuits.by_id["upper"].breaker.state == ("open" if counts[1] else "closed")
    assert len(room.bus.asked) == (5 if counts[1] else 6), "nobody is asked behind an open breaker"
    assert outcomes[5].cause == ("unavailable" if counts[1] else cause)
    assert "anna" not in "".join(one.why + one.told for one in outcomes)


@pytest.mark.contract("router R-9e")
async def test_the_code_of_an_error_reply_is_why_a_call_failed_if_it_is_one() -> None:
    room = Room(FAILED, NO_CODE)

    assert [(await room.call()).why for _ in range(2)] == [
        "it answered with the error 500",
        "it answered with an error",
    ]


@pytest.mark.contract("router R-9e, R-9f")
async def test_a_reply_larger_than_its_extension_may_send_is_malformed() -> None:
    room = Room(Letter(b'{"a":1}'), Letter(b'{"a":12}'))
    one = record(metadata={"max_response_size": 7})

    assert [(await room.call(one)).cause for _ in range(2)] == [None, "malformed"]


@pytest.mark.contract("router R-8d, R-9f, F-19")
async def test_a_hundred_requests_that_are_too_large_trip_no_breaker_and_go_nowhere() -> None:
    room = Room()
    room.bus.largest = 1000

    outcomes = [await room.call(body=b" " * 1001) for _ in range(100)]

    assert {(one.cause, one.attempts) for one in outcomes} == {("too_large", 0)}
    assert (room.bus.asked, room.circuits.by_id["upper"].breaker.state, counted(room)) == ([], "closed", (0, 0))
    assert (await room.call(body=b" " * 1000)).cause is None


@pytest.mark.contract("router R-8c, R-8d")
@pytest.mark.parametrize(("within", "fails"), [(0.5, 1), (0.499, 0), (2, 1)])
async def test_a_timeout_cut_short_by_the_caller_counts_from_half_of_its_time_on(within: float, fails: int) -> None:
    room = Room(TooLate())

    outcome = await room.call(within=within)

    assert (outcome.cause, counted(room)) == ("timeout", (0, fails))


@pytest.mark.contract("router R-8d")
async def test_a_cancelled_call_counts_as_neither_and_gives_its_places_back() -> None:
    room = Room(*[TooLate()] * 5, took=0.01)
    for _ in range(5):
        await room.call()
    room.clock.now += 60
    room.bus.gate = asyncio.Event()
    before = counted(room)
    going = [asyncio.create_task(room.call(record(timeout_ms=5000))) for _ in range(3)]
    await asyncio.sleep(0)

    for one in going:
        one.cancel()
    await asyncio.wait(going)

    circuit = room.circuits.by_id["upper"]
    assert (counted(room), circuit.bulkhead.in_flight) == (before, 0)
    room.bus.gate.set()
    assert [(await room.call()).cause for _ in range(2)] == [None, None]
    assert circuit.breaker.state == "closed"


@pytest.mark.contract("router R-9c")
@pytest.mark.parametrize("answer", [FAILED, BusAway(), TooLarge(), ABSENT, Letter(b"[")])
async def test_nothing_but_a_timeout_and_no_responders_is_tried_again(answer: Answer) -> None:
    room = Room(answer)

    await room.call(record(retry=3))

    assert len(room.bus.asked) == 1


@pytest.mark.contract("router R-9c, F-16")
@pytest.mark.parametrize(("random", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
async def test_pauses_double_up_to_two_seconds_and_are_shaken(random: float, share: float) -> None:
    room = Room(*[NoResponders()] * 4, random=random)

    outcome = await room.call(record(retry=5), timeout_ms=10)
    assert room.pauses[:2] == pytest.approx([0.1 * share, 0.2 * share])
    room = Room(*[NoResponders()] * 8, random=random)
    circuit = room.circuits.of(record(breaker_override="closed"))
    outcome = await room.call(record(retry=7), timeout_ms=10_000)

    assert circuit.breaker.state == "closed"
    assert room.pauses == pytest.approx([share * one for one in (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0)])
    assert (outcome.attempts, outcome.cause) == (8, "no_responders")


@pytest.mark.contract("router R-9c")
async def test_the_breaker_is_asked_before_each_try() -> None:
    room = Room(*[NoResponders()] * 6)

    outcome = await room.call(record(retry=5))

    assert (outcome.attempts, outcome.cause, room.changes) == (
        5, "no_responders", [("upper", "open", "consecutive")],
    )  # fmt: skip
    assert room.circuits.by_id["upper"].failures == 1, "one call, one count"


@pytest.mark.contract("router R-9b, F-16")
@given(
    st.lists(st.sampled_from(["late", "nobody"]), min_size=6, max_size=6),
    st.integers(10, 5000), st.integers(0, 5), st.floats(0, 40), st.floats(0, 1), st.floats(0, 3),
)  # fmt: skip
async def test_no_try_and_no_pause_goes_beyond_the_deadline(
    ends: list[str], timeout_ms: int, retry: int, within: float, random: float, took: float
) -> None:
    room = Room(*[TooLate() if one == "late" else NoResponders() for one in ends], random=random)
    room.circuits.of(record(breaker_override="closed"))
    began = room.clock.now

    outcome = await room.call(within=within, timeout_ms=timeout_ms, retry=retry)

    most = min(within, timeout_ms / 1000 * (retry + 1) + sum(min(0.1 * 2**n, 2) for n in range(retry)))
    assert room.clock.now - began <= most + 1e-9
    assert all(at + seconds - began <= most + 1e-9 for at, seconds, _ in room.bus.asked)
    assert all(0 < seconds <= timeout_ms / 1000 for _, seconds, _ in room.bus.asked)
    assert outcome.attempts == len(room.bus.asked) <= retry + 1


@pytest.mark.contract("router R-9b")
async def test_without_time_nobody_is_asked() -> None:
    room = Room()

    outcome = await room.call(within=0)

    assert (outcome.cause, outcome.attempts, room.bus.asked, counted(room)) == ("timeout", 0, [], (0, 0))


@pytest.mark.contract("router R-8d, R-9d")
async def test_beyond_the_places_and_those_who_wait_a_call_is_overloaded_and_counts_as_neither() -> None:
    room = Room()
    room.bus.gate = asyncio.Event()
    one = record(metadata={"max_concurrency": 2})
    going = [asyncio.create_task(room.call(one)) for _ in range(2 + 256)]
    await asyncio.sleep(0)

    outcome = await room.call(one)

    assert (outcome.cause, outcome.attempts, len(room.bus.asked)) == ("overloaded", 0, 2)
    room.bus.gate.set()
    assert {found.cause for found in await asyncio.gather(*going)} == {None}
    assert (counted(room), room.circuits.by_id["upper"].bulkhead.in_flight) == ((258, 0), 0)


@pytest.mark.contract("router R-9d")
async def test_waiting_for_a_place_counts_in_the_deadline() -> None:
    room = Room()
    room.bus.gate = asyncio.Event()
    one = record(metadata={"max_concurrency": 1})
    going = asyncio.create_task(room.call(one))
    await asyncio.sleep(0)

    assert (await room.call(one, within=0.001)).cause == "overloaded"
    late = asyncio.create_task(room.call(one, within=0.5))
    await asyncio.sleep(0)
    room.clock.now += 0.5
    room.bus.gate.set()

    assert ((await late).cause, (await late).attempts) == ("overloaded", 0)
    assert (await going, len(room.bus.asked)) == (going.result(), 1)
    assert room.circuits.by_id["upper"].bulkhead.in_flight == 0


@pytest.mark.contract("router R-9d")
async def test_whoever_got_no_place_while_others_hung_is_overloaded_and_did_not_time_out() -> None:
    room = Room(*[TooLate()] * 2)
    room.bus.gate = asyncio.Event()
    one = record(metadata={"max_concurrency": 2})
    going = [asyncio.create_task(room.call(one)) for _ in range(12)]
    await asyncio.sleep(0)
    room.bus.gate.set()

    found = Counter([(outcome.cause, outcome.attempts) for outcome in await asyncio.gather(*going)])

    assert found == {("timeout", 1): 2, ("overloaded", 0): 10}
    assert room.circuits.by_id["upper"].bulkhead.in_flight == 0


@pytest.mark.contract("router R-9b, R-9d")
async def test_nobody_waits_for_a_place_longer_than_the_call_might_take_however_much_time_the_caller_has() -> None:
    room = Room()
    room.bus.gate = asyncio.Event()
    one = record(metadata={"max_concurrency": 1})
    going = asyncio.create_task(room.call(one))
    await asyncio.sleep(0)

    assert (await room.call(one, within=1e6, timeout_ms=10)).cause == "overloaded"

    room.bus.gate.set()
    assert (await going).cause is None


@pytest.mark.contract("router R-9d")
async def test_a_call_that_waits_goes_no_further_when_the_breaker_has_opened_meanwhile() -> None:
    room = Room(NoResponders())
    room.bus.gate = asyncio.Event()
    one = record(metadata={"max_concurrency": 1})
    going = [asyncio.create_task(room.call(one)) for _ in range(2)]
    await asyncio.sleep(0)
    room.circuits.of(record(metadata={"max_concurrency": 1}, revision=2, breaker_override="open"))
    room.bus.gate.set()

    assert [(await call).cause for call in going] == ["no_responders", "unavailable"]


@pytest.mark.contract("router R-8d")
async def test_a_dry_call_says_so_and_touches_neither_breaker_nor_counts() -> None:
    room = Room(*[TooLate()] * 10, OK)

    outcomes = [await room.call(is_dry=True) for _ in range(10)]

    assert {one.cause for one in outcomes} == {"timeout"}
    assert room.bus.asked[0][2].headers == {"Ringback-Attempt": "1", "Ringback-Dry-Run": "1"}
    circuit = room.circuits.by_id["upper"]
    assert (counted(room), circuit.breaker.state, circuit.tally.by_status) == ((0, 0), "closed", {})
    room.circuits.of(record(revision=2, breaker_override="open"))
    assert (await room.call(is_dry=True)).cause == "unavailable"


@pytest.mark.contract("router R-8e")
async def test_what_is_forced_is_so_before_any_call_and_on_whoever_follows_the_record() -> None:
    room = Room()

    room.circuits.follow([record(), record("lower", breaker_override="open")])

    assert (room.invoker.is_open("lower"), room.invoker.is_open("upper")) == (True, False)
    assert (list(room.circuits.by_id), room.changes) == (["lower"], [("lower", "open", "forced")])
    room.circuits.follow([record("lower", revision=2)])
    assert room.changes[1:] == [("lower", "closed", "forced")]
    assert room.circuits.by_id["lower"].breaker.state == "closed"


class Broken(CircuitBreaker):
    """One with a fault of its own."""

    at = ""

    def admit(self, ends: float) -> int | None:
        if self.at == "admit":
            raise ZeroDivisionError
        return super().admit(ends)

    def ended(self, turn: int, succeeded: bool | None) -> None:
        raise ZeroDivisionError


@pytest.mark.contract("router R-8e")
@pytest.mark.parametrize(("at", "asked"), [("admit", 0), ("ended", 1)])
async def test_a_fault_of_the_breaker_fails_the_call_and_lets_none_through(at: str, asked: int) -> None:
    room = Room()
    circuit = room.circuits.of(record())
    circuit.breaker = broken = Broken(clock=room.clock)
    broken.at = at

    outcome = await room.call()

    assert (outcome.value, outcome.cause, len(room.bus.asked)) == (None, "unavailable", asked)
    assert circuit.bulkhead.in_flight == 0


async def test_each_call_is_counted_once_whatever_came_of_it() -> None:
    room = Room(OK, TooLate(), OK, NoResponders(), NoResponders(), took=0.002)
    for _ in range(3):
        await room.call(record(retry=1))

    tally = room.circuits.by_id["upper"].tally

    assert tally.by_status == {("success", ""): 2, ("no_responders", ""): 1}
    assert (sum(tally.latencies), tally.retries) == (3, {1: 2})
    assert counted(room) == (2, 1)


async def test_over_the_bus_of_one_process_it_does_the_same() -> None:
    services = MemoryServices()
    invoker = Invoker(services)
    asked = Asked(record(), b"{}", 1000, 0, invoker.clock() + 60)

    async def serve(letter: Letter) -> Letter:
        return Letter(b'{"payload":"HI"}')

    assert (await invoker.call(asked, reading)).cause == "no_responders"
    stop = await services.serve("upper", "beamline.ext.pre.upper.v1", serve)
    assert (await invoker.call(asked, reading)).value == {"payload": "HI"}
    await stop()
