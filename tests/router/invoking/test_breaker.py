"""A breaker walks through its states at a time that is made, and through no other ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.router.invoking.breaker import CircuitBreaker
from tests.router.invoking.edges import Clock

FAR = 1e9


class Walk:
    """A breaker, its time, and what it told."""

    def __init__(self, share: float = 0.5) -> None:
        self.clock = Clock()
        self.told: list[tuple[str, str]] = []
        self.breaker = CircuitBreaker(
            clock=self.clock, random=lambda: share, changed=lambda *one: self.told.append(one)
        )

    def attempt(self, *ends: bool | None) -> None:
        for succeeded in ends:
            turn = self.breaker.admit(FAR)
            assert turn is not None
            self.breaker.ended(turn, succeeded)

    def opened(self) -> "Walk":
        self.attempt(*[False] * 5)
        self.told.clear()
        return self


@pytest.fixture
def walk() -> Walk:
    return Walk()


@pytest.mark.contract("router R-8a, F-18")
def test_five_failures_in_a_row_open_it_and_four_with_a_success_between_do_not(walk: Walk) -> None:
    walk.attempt(*[False] * 4, True, *[False] * 4)
    assert (walk.breaker.state, walk.told) == ("closed", [])

    walk.attempt(False)

    assert (walk.breaker.state, walk.told) == ("open", [("open", "consecutive")])
    assert walk.breaker.admit(FAR) is None


@pytest.mark.contract("router R-8a, F-18")
def test_half_of_twenty_attempts_in_a_minute_open_it(walk: Walk) -> None:
    walk.attempt(*[False, True] * 9, False)
    assert walk.breaker.state == "closed"

    walk.attempt(True)

    assert walk.told == [("open", "rate")]


@pytest.mark.contract("router R-8a, F-18")
def test_fewer_than_half_and_what_is_older_than_a_minute_do_not_open_it(walk: Walk) -> None:
    walk.attempt(*[False, True, True] * 10)
    assert walk.breaker.state == "closed"
    walk.clock.now += 30
    walk.attempt(*[False, False, True] * 3)
    assert (walk.breaker.recent.attempts, walk.breaker.recent.failures) == (39, 16)
    walk.clock.now += 30.1

    walk.attempt(*[False, False, True] * 3, True)

    assert (walk.breaker.recent.attempts, walk.breaker.recent.failures) == (19, 12)
    assert walk.breaker.state == "closed"
    walk.attempt(True)
    assert walk.told == [("open", "rate")]


@pytest.mark.contract("router R-8a, F-18")
@pytest.mark.parametrize(("share", "seconds"), [(0.0, 54.0), (0.5, 60.0), (1.0, 66.0)])
def test_it_stays_open_for_a_minute_give_or_take_a_tenth(share: float, seconds: float) -> None:
    walk = Walk(share).opened()

    walk.clock.now += seconds - 0.001
    assert walk.breaker.admit(FAR) is None
    walk.clock.now += 0.001

    assert walk.breaker.admit(FAR) is not None
    assert (walk.breaker.state, walk.told) == ("half_open", [("half_open", "consecutive")])


@pytest.mark.contract("router R-8a, F-18")
def test_closed_it_lets_any_number_through_at_once(walk: Walk) -> None:
    assert all(walk.breaker.admit(FAR) is not None for _ in range(300))


@pytest.mark.contract("router R-8a, F-18")
def test_what_follows_an_opening_has_its_reason(walk: Walk) -> None:
    walk.attempt(*[False, True] * 10)
    walk.clock.now += 60
    walk.attempt(True, True)

    assert walk.told == [("open", "rate"), ("half_open", "rate"), ("closed", "rate")]


@pytest.mark.contract("router R-8b, F-18")
def test_half_open_it_is_not_open_and_lets_three_through_each_time(walk: Walk) -> None:
    walk.opened().clock.now += 60
    seen = [walk.breaker.is_open]
    first, *others = (walk.breaker.admit(FAR) for _ in range(3))
    assert first
    walk.breaker.ended(first, False)
    seen.append(walk.breaker.is_open)
    walk.clock.now += 60

    assert seen == [False, True]
    assert all(walk.breaker.admit(FAR) for _ in others)
    assert walk.breaker.admit(FAR), "those of before have no place any more"
    assert walk.breaker.admit(FAR) is None


@pytest.mark.contract("router R-8b, F-18")
def test_half_open_three_are_let_through_and_two_successes_close_it(walk: Walk) -> None:
    walk.opened().clock.now += 60
    turns = [walk.breaker.admit(FAR) for _ in range(4)]
    assert turns[3] is None

    for turn in turns[:2]:
        assert turn
        walk.breaker.ended(turn, True)

    assert walk.told == [("half_open", "consecutive"), ("closed", "consecutive")]
    assert (walk.breaker.reason, walk.breaker.opened_at) == (None, None)
    assert turns[2]
    walk.breaker.ended(turns[2], False)
    walk.attempt(*[False] * 4)
    assert walk.breaker.state == "closed", "what began half open counts no more"


@pytest.mark.contract("router R-8b, F-18")
def test_half_open_one_failure_opens_it_again_for_a_whole_minute(walk: Walk) -> None:
    walk.opened().clock.now += 60
    walk.attempt(True, False)

    assert walk.told == [("half_open", "consecutive"), ("open", "half_open_failure")]
    walk.clock.now += 59.9
    assert walk.breaker.admit(FAR) is None
    walk.clock.now += 0.1
    assert walk.breaker.admit(FAR) is not None


@pytest.mark.contract("router R-8b, F-18")
def test_an_attempt_that_nobody_ends_frees_its_place_at_its_deadline(walk: Walk) -> None:
    walk.opened().clock.now += 60
    for _ in range(3):
        assert walk.breaker.admit(walk.clock.now + 5)
    walk.clock.now += 4.9
    assert walk.breaker.admit(FAR) is None

    walk.clock.now += 0.1

    assert walk.breaker.admit(FAR) is not None


@pytest.mark.contract("router R-8b, R-8d, F-18")
def test_half_open_an_attempt_that_says_nothing_frees_its_place_and_counts_as_neither(walk: Walk) -> None:
    walk.opened().clock.now += 60

    walk.attempt(*[None] * 9, True)

    assert walk.told[-1] == ("half_open", "consecutive")
    walk.attempt(True)
    assert walk.told[-1] == ("closed", "consecutive")


@pytest.mark.contract("router R-8b, F-18")
def test_what_was_let_through_before_it_opened_does_not_close_it_later(walk: Walk) -> None:
    early = walk.breaker.admit(FAR)
    assert early is not None
    walk.opened()
    walk.breaker.ended(early, False)
    walk.clock.now += 60
    assert walk.breaker.state == "half_open"

    for _ in range(3):
        walk.breaker.ended(early, True)

    assert walk.breaker.state == "half_open"


@pytest.mark.contract("router R-8e, F-18")
def test_forced_open_it_lets_nobody_through_however_long_and_none_closes_it(walk: Walk) -> None:
    walk.breaker.force("open")
    walk.clock.now += 1000
    assert walk.breaker.admit(FAR) is None
    assert walk.breaker.reason == "forced"

    walk.breaker.force(None)

    assert walk.told == [("open", "forced"), ("closed", "forced")]
    walk.attempt(*[False] * 5)
    assert walk.breaker.state == "open"


@pytest.mark.contract("router R-8e, F-18")
def test_forced_closed_it_lets_everybody_through_and_forgets_what_failed_then(walk: Walk) -> None:
    walk.opened()
    walk.breaker.force("closed")
    assert walk.told == [("closed", "forced")]

    walk.attempt(*[False] * 100)
    walk.breaker.force(None)
    walk.attempt(*[False] * 4)

    assert walk.breaker.state == "closed"
    walk.attempt(False)
    assert walk.told[1:] == [("open", "consecutive")]


@pytest.mark.contract("router R-8e, F-18")
def test_what_was_counted_before_it_was_forced_is_never_taken_off_again(walk: Walk) -> None:
    walk.attempt(*[False, True, True] * 10)
    walk.breaker.force("closed")
    walk.breaker.force(None)
    assert (walk.breaker.recent.attempts, walk.breaker.recent.failures) == (0, 0)
    walk.clock.now += 61

    walk.attempt(False, True)

    assert (walk.breaker.recent.attempts, walk.breaker.recent.failures) == (2, 1)


@pytest.mark.contract("router R-8e, F-18")
def test_to_be_told_again_what_is_so_changes_nothing(walk: Walk) -> None:
    walk.attempt(*[False] * 4)
    walk.breaker.force(None)
    walk.attempt(False)

    assert walk.breaker.state == "open"


@pytest.mark.contract("router R-8e, F-18")
def test_one_that_is_open_can_be_forced_to_stay_so(walk: Walk) -> None:
    walk.opened().breaker.force("open")
    walk.clock.now += 1000

    assert walk.breaker.admit(FAR) is None
    assert (walk.told, walk.breaker.reason) == ([], "forced")


@pytest.mark.contract("router R-8a, R-8b, F-18")
@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.floats(0, 30)), max_size=200))
def test_it_never_sticks_whatever_happens(steps: list[tuple[bool | None, float]]) -> None:
    walk = Walk()
    for succeeded, seconds in steps:
        walk.clock.now += seconds
        turn = walk.breaker.admit(walk.clock.now + 1)
        assert (turn is None) == (walk.breaker.state == "open")
        if turn is not None:
            walk.breaker.ended(turn, succeeded)

    walk.clock.now += 67
    walk.attempt(True, True)

    assert walk.breaker.state in ("closed", "open")
    assert all(before[0] != after[0] for before, after in zip(walk.told, walk.told[1:], strict=False))
