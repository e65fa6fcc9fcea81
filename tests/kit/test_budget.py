"""So many a minute for each key, then a pause; for this process and for all instances alike."""

from collections.abc import Callable

import pytest

from ringback.kit.budget import Allowance, Budget, LocalBudget
from ringback.transports.redis.budget import SharedBudget
from ringback.transports.redis.server import Redis

MakeBudget = Callable[[Allowance, Callable[[], float]], Budget]


@pytest.fixture
def make_budget(shared: Redis | None) -> MakeBudget:
    """A budget by the test's own clock. What Redis says is said by Redis: it has no other to fall back to."""
    if shared is None:
        return lambda allowance, clock: LocalBudget(allowance, clock=clock)
    return lambda allowance, clock: SharedBudget(shared, "misses:", allowance, None, clock)  # type: ignore[arg-type]


async def test_a_window_and_a_pause_of_ones_own(make_budget: MakeBudget) -> None:
    now = 0.0
    budget = make_budget(Allowance(2, window=30.0, pause=50.0), lambda: now)
    assert [await budget.spend("a") for _ in range(3)] == [True, True, False]
    assert not await budget.is_shut("b")
    assert await budget.spend("b")
    now = 49.999
    assert await budget.is_shut("a")
    now = 50.0
    assert not await budget.is_shut("a")
    assert await budget.spend("a")


async def test_only_what_was_spent_within_the_window_counts(make_budget: MakeBudget) -> None:
    now = 1_770_000_000.0
    budget = make_budget(Allowance(3), lambda: now)
    for _ in range(20):
        assert await budget.spend("a")
        now += 20.001
    now -= 1.0
    assert not await budget.spend("a")
    assert await budget.is_shut("a")


async def test_who_asks_while_shut_is_shut_for_longer(make_budget: MakeBudget) -> None:
    now = 0.0
    budget = make_budget(Allowance(1), lambda: now)
    assert [await budget.spend("a") for _ in range(2)] == [True, False]
    now = 30.0
    assert not await budget.spend("a")
    now = 89.999
    assert await budget.is_shut("a")
    now = 90.0
    assert not await budget.is_shut("a")


@pytest.mark.parametrize("key", ["", " ", "2001:db8:0:1::/64", "{}", "a}{b", "ü\n*", "x" * 64])
async def test_any_text_is_a_key(make_budget: MakeBudget, key: str) -> None:
    budget = make_budget(Allowance(1), lambda: 0.0)

    assert [await budget.spend(key) for _ in range(2)] == [True, False]
    assert await budget.is_shut(key)
    assert not await budget.is_shut(f"{key}.")


async def test_the_keys_least_recently_spent_are_forgotten_in_a_flood() -> None:
    budget = LocalBudget(Allowance(1), clock=lambda: 0.0, largest=2)
    assert await budget.spend("a")
    assert not await budget.spend("a")
    assert await budget.is_shut("a")

    assert await budget.spend("b")
    assert await budget.is_shut("a")
    assert await budget.spend("c")

    assert not await budget.is_shut("a")
    assert not await budget.is_shut("nobody")
