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


SLOW = Rate(1, 60)
"""Redis forgets a bucket when it is full again by its own clock: of this one within a minute, which no test takes."""


async def test_whoever_was_quiet_takes_the_burst_at_once_and_then_the_rate(make_buckets: MakeBuckets) -> None:
    now = 1_770_000_000.0
    buckets = make_buckets(SLOW, lambda: now)
    assert [await buckets.take("a") for _ in range(60)] == [Taken(True, left, 0.0) for left in reversed(range(60))]
    for _ in range(5):
        assert await buckets.take("a") == Taken(False, 0, 1.0)
    assert (await buckets.take("b")).left == 59

    now += 0.6
    assert (await buckets.take("a")).wait == pytest.approx(0.4)
    now += 0.4
    assert [(await buckets.take("a")).is_within for _ in range(2)] == [True, False]
    now += 600.0
    assert (await buckets.take("a")).left == 59


async def test_ten_times_the_rate_gets_the_rate(make_buckets: MakeBuckets) -> None:
    now = 1_770_000_000.0
    buckets = make_buckets(SLOW, lambda: now)
    within = 0
    for _ in range(400):
        within += (await buckets.take("a")).is_within
        now += 1 / 10

    assert within == 60 + 40 - 1


async def test_a_flood_of_keys_fills_no_memory() -> None:
    now = 0.0
    buckets = LocalBuckets(Rate(1, 1), clock=lambda: now, largest=2)
    for key in "abc":
        assert (await buckets.take(key)).is_within

    assert not (await buckets.take("b")).is_within
    assert not (await buckets.take("c")).is_within
    assert (await buckets.take("a")).is_within
