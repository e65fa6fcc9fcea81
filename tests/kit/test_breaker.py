"""Five silences, a pause, one probe."""

import pytest

from ringback.kit.breaker import Breaker, State, Turn


class Clock:
    """Seconds in the test's hands."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def states() -> list[State]:
    return []


@pytest.fixture
def breaker(clock: Clock, states: list[State]) -> Breaker:
    return Breaker(clock=clock, changed=states.append)


def admitted(breaker: Breaker) -> Turn:
    turn = breaker.admit()
    assert turn is not None
    return turn


def opened(breaker: Breaker) -> None:
    for _ in range(5):
        breaker.silent(admitted(breaker))
    assert breaker.state is State.OPEN


@pytest.mark.contract("registrar R-86")
def test_the_fifth_silence_in_a_row_opens_and_not_the_fourth(breaker: Breaker, states: list[State]) -> None:
    for _ in range(4):
        breaker.silent(admitted(breaker))
    assert breaker.state is State.CLOSED

    breaker.silent(admitted(breaker))

    assert breaker.admit() is None
    assert states == [State.OPEN]


def test_an_answer_between_silences_begins_the_count_anew(breaker: Breaker) -> None:
    for _ in range(3):
        for _ in range(4):
            breaker.silent(admitted(breaker))
        breaker.answered(admitted(breaker))

    assert breaker.admit() is not None


def test_what_ends_undecided_neither_counts_nor_begins_the_count_anew(breaker: Breaker) -> None:
    for _ in range(4):
        breaker.silent(admitted(breaker))
        breaker.undecided(admitted(breaker))
    last = admitted(breaker)

    breaker.silent(last)

    assert breaker.state is State.OPEN


@pytest.mark.contract("registrar R-86")
def test_nobody_is_let_through_for_thirty_seconds_and_then_exactly_one(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 29.999
    assert breaker.admit() is None
    clock.now += 0.001

    assert breaker.admit() is not None

    assert [breaker.admit() for _ in range(10)] == [None] * 10
    clock.now += 3600
    assert breaker.admit() is None


@pytest.mark.contract("registrar R-86")
def test_an_answered_probe_lets_everybody_through_and_the_count_is_at_nothing(
    breaker: Breaker, clock: Clock, states: list[State]
) -> None:
    opened(breaker)
    clock.now += 30

    breaker.answered(admitted(breaker))

    for _ in range(4):
        breaker.silent(admitted(breaker))
    assert breaker.state is State.CLOSED
    assert states == [State.OPEN, State.PROBING, State.CLOSED]


@pytest.mark.contract("registrar R-86")
def test_a_silent_probe_costs_another_whole_pause(breaker: Breaker, clock: Clock, states: list[State]) -> None:
    opened(breaker)
    clock.now += 30

    breaker.silent(admitted(breaker))

    clock.now += 29.999
    assert breaker.admit() is None
    clock.now += 0.001
    breaker.answered(admitted(breaker))
    assert states == [State.OPEN, State.PROBING, State.OPEN, State.PROBING, State.CLOSED]


def test_a_probe_that_was_given_up_leaves_its_place_to_the_next_one(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += 30

    breaker.undecided(admitted(breaker))

    assert breaker.state is State.OPEN
    assert breaker.admit() is not None
    assert breaker.admit() is None


def test_whoever_was_let_through_before_it_opened_decides_nothing_any_more(
    breaker: Breaker, clock: Clock, states: list[State]
) -> None:
    early = [admitted(breaker) for _ in range(20)]
    for turn in early[:5]:
        breaker.silent(turn)
    clock.now += 10

    breaker.answered(early[5])
    breaker.silent(early[6])

    assert breaker.admit() is None
    clock.now += 20
    probe = admitted(breaker)
    breaker.answered(early[7])
    breaker.silent(early[8])
    breaker.undecided(early[9])
    assert breaker.admit() is None
    breaker.answered(probe)
    for turn in early[10:]:
        breaker.silent(turn)
    assert breaker.admit() is not None
    assert states == [State.OPEN, State.PROBING, State.CLOSED]


def test_how_many_silences_and_how_long_a_pause_are_arguments(clock: Clock) -> None:
    breaker = Breaker(silences=1, pause=2.0, clock=clock)
    breaker.silent(admitted(breaker))
    assert breaker.admit() is None
    clock.now += 2

    assert breaker.admit() is not None
