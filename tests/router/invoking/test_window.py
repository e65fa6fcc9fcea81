"""Five minutes of calls: counts, and percentiles that are near what they stand for."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.router.invoking.window import Window, bucket_of, merged, middle_of, percentile


def exact(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


@pytest.mark.contract("router R-7a, F-10")
@given(st.floats(0.001, 400_000))
def test_a_bucket_stands_for_each_of_its_latencies_within_a_twentieth(milliseconds: float) -> None:
    assert abs(middle_of(bucket_of(milliseconds)) - milliseconds) <= 0.05 * milliseconds


def test_buckets_are_in_the_order_of_what_is_in_them() -> None:
    values = [0, 0.0001, 0.001, 0.5, 0.99, 1, 1.01, 1.9999, 2, 63.9, 64, 100, 330_000]
    found = [bucket_of(value) for value in values]
    assert found == sorted(found)


@pytest.mark.contract("router R-7a, F-10")
@pytest.mark.parametrize(
    "draw",
    [
        lambda dice: dice.uniform(1, 100),
        lambda dice: dice.expovariate(1 / 30),
        lambda dice: dice.lognormvariate(3, 1),
        lambda dice: dice.choice([2.0, 250.0]) if dice.random() < 0.9 else 5000.0,
    ],
    ids=["uniform", "exponential", "lognormal", "two humps"],
)
def test_percentiles_are_within_a_twentieth_and_no_averages(draw: object) -> None:
    dice = random.Random(8)
    values = [draw(dice) for _ in range(5000)]  # type: ignore[operator]
    window = Window()
    for number, value in enumerate(values):
        window.add(number * 0.05, value, succeeded=True)

    figures = window.figures(250)

    for share in (0.5, 0.95, 0.99):
        assert figures.latency(share) == pytest.approx(exact(values, share), rel=0.05)


@pytest.mark.contract("router R-7a")
def test_thirty_slices_of_ten_seconds_and_then_it_is_empty() -> None:
    window = Window()
    for second in range(400):
        window.add(second, 5, succeeded=second % 10 != 0)

    assert (window.figures(399).successes, window.figures(399).failures) == (270, 30)
    assert window.figures(405).samples == 290
    assert (window.figures(690).samples, window.figures(690).latency(0.5)) == (0, None)
    assert window.figures(690).success_rate is None


@pytest.mark.contract("router R-7a, F-10")
def test_histograms_of_two_nodes_give_the_percentiles_of_both() -> None:
    fast, slow = ({bucket_of(value): 10 for value in values} for values in ([1.0, 2.0], [100.0, 200.0]))

    assert percentile(merged([fast, slow]), 0.5) == pytest.approx(2, rel=0.05)
    assert percentile(merged([fast, slow]), 1) == pytest.approx(200, rel=0.05)
    assert percentile({}, 0.5) is None
