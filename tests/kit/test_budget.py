"""So many a minute for each key, then a pause."""

from ringback.kit.budget import Budget


def test_the_keys_least_recently_spent_are_forgotten_in_a_flood() -> None:
    budget: Budget[str] = Budget(1, clock=lambda: 0.0, largest=2)
    assert budget.spend("a")
    assert not budget.spend("a")
    assert budget.is_shut("a")

    assert budget.spend("b")
    assert budget.is_shut("a")
    assert budget.spend("c")

    assert not budget.is_shut("a")
    assert not budget.is_shut("nobody")


def test_a_window_and_a_pause_of_ones_own() -> None:
    now = 0.0
    budget: Budget[str] = Budget(2, window=1.0, pause=5.0, clock=lambda: now)
    assert [budget.spend("a") for _ in range(3)] == [True, True, False]
    now = 4.9
    assert budget.is_shut("a")
    now = 5.0
    assert not budget.is_shut("a")
    assert budget.spend("a")
