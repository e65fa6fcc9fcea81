"""So many a second for each key, and so many at once; for this process and for all instances alike."""

from collections.abc import Callable

import pytest

from ringback.kit.rate import Buckets, LocalBuckets, Rate, Taken
from ringback.transports.redis.rate import SharedBuckets
from ringback.transports.redis.server import Redis

MakeBuckets = Callable[[Rate, Callable[[], float]], Buckets]


@pytest.fixture
def make_buckets(shared: Redis | None) -> MakeBuckets:
    """Buckets by the test's own clock. What Redis says is said by Redis: it has no other to fall back to."""
    if shared is None:
        return lambda rate, clock: LocalBuckets(rate, clock=clock)
    return lambda rate, clock: SharedBuckets(shared, "requests:", rate, None, clock)  # type: ignore[arg-type]


async def test_whoever_was_quiet_takes_the_burst_at_once_and_then_the_rate(make_buckets: MakeBuckets) -> None:
    now = 1_770_000_000.0
    buckets = make_buckets(Rate(10, 3), lambda: now)
    assert [await buckets.take("a") for _ in range(3)] == [Taken(True, left, 0.0) for left in (2, 1, 0)]
    for _ in range(5):
        assert await buckets.take("a") == Taken(False, 0, 0.1)
    assert (await buckets.take("b")).left == 2

    now += 0.06
    assert (await buckets.take("a")).wait == pytest.approx(0.04)
    now += 0.04
    assert [(await buckets.take("a")).is_within for _ in range(2)] == [True, False]
    now += 60.0
    assert (await buckets.take("a")).left == 2


async def test_ten_times_the_rate_gets_the_rate(make_buckets: MakeBuckets) -> None:
    now = 1_770_000_000.0
    buckets = make_buckets(Rate(20, 5), lambda: now)
    within = 0
    for _ in range(400):
        within += (await buckets.take("a")).is_within
        now += 1 / 200

    assert within == 5 + 40 - 1


async def test_a_flood_of_keys_fills_no_memory() -> None:
    now = 0.0
    buckets = LocalBuckets(Rate(1, 1), clock=lambda: now, largest=2)
    for key in "abc":
        assert (await buckets.take(key)).is_within

    assert not (await buckets.take("b")).is_within
    assert not (await buckets.take("c")).is_within
    assert (await buckets.take("a")).is_within
