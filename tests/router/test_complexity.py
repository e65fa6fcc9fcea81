"""How complex a pipeline is: every edge of the formula."""

import pytest

from ringback.router.pipelines.complexity import complexity, level, score
from ringback.router.policies.model import Declared, Fallback, Provider, Step

pytestmark = pytest.mark.contract("router P-5")


def declared(pre: int = 0, validators: int = 0, post: int = 0) -> Declared:
    """A pipeline of so many steps, beside a provider and a fallback, which are none."""
    return Declared(
        pre=tuple(Step(f"pre_{n}") for n in range(pre)),
        validators=tuple(Step(f"validator_{n}") for n in range(validators)),
        providers=(Provider("one"),),
        fallbacks=(Fallback("two"),),
        post=tuple(Step(f"post_{n}") for n in range(post)),
    )


@pytest.mark.parametrize(
    ("counts", "points"),
    [
        ((0, 0, 0), 0), ((1, 0, 0), 15), ((1, 1, 0), 30), ((1, 1, 1), 45), ((2, 1, 1), 60),
        ((2, 2, 1), 69), ((2, 2, 2), 78),
        ((3, 0, 0), 50), ((3, 1, 0), 65), ((4, 0, 0), 65), ((5, 0, 0), 74),
        ((3, 2, 2), 92), ((3, 3, 2), 100), ((3, 3, 3), 100), ((5, 5, 5), 100),
    ],
)  # fmt: skip
def test_the_score_follows_the_steps_and_the_long_stages(counts: tuple[int, int, int], points: int) -> None:
    assert score(*counts) == points


def test_more_steps_add_nine_points_each_until_twenty_and_twenty_are_reached() -> None:
    within = [score(2, 2, 2), score(2, 2, 2, 1), score(2, 2, 2, 2), score(2, 2, 2, 2, 1)]

    assert within == [78, 87, 96, 100]


@pytest.mark.parametrize(
    ("points", "name"),
    [(0, "low"), (29, "low"), (30, "medium"), (59, "medium"), (60, "high"), (79, "high"), (80, "very_high")],
)
def test_each_level_begins_where_the_one_below_ends(points: int, name: str) -> None:
    assert level(points) == name


def test_providers_and_fallbacks_are_no_steps() -> None:
    found = complexity(declared(pre=1, validators=1, post=1), lambda id: None)

    assert (found.total_extensions, found.pre_count, found.validators_count, found.post_count) == (3, 1, 1, 1)
    assert (found.complexity_score, found.complexity_level, found.estimated_latency_ms) == (45, "medium", 90)
    limits = found.recommended_limits
    assert (limits.max_total, limits.max_pre, limits.max_validators, limits.max_post) == (4, 2, 2, 2)
    assert (found.warnings, found.recommendations) == ([], [])


def test_a_step_takes_what_was_measured_and_thirty_milliseconds_where_nothing_was() -> None:
    found = complexity(declared(pre=2, post=1), {"pre_0": 12.5, "post_0": 0.0}.get)

    assert found.estimated_latency_ms == 42.5


@pytest.mark.parametrize(("milliseconds", "warnings"), [(150.0, 0), (150.1, 1)])
def test_more_than_a_hundred_and_fifty_milliseconds_are_warned_of(milliseconds: float, warnings: int) -> None:
    found = complexity(declared(pre=1), lambda id: milliseconds)

    assert len(found.warnings) == len(found.recommendations) == warnings


def test_each_limit_that_is_passed_is_warned_of_and_answered_with_advice() -> None:
    found = complexity(declared(pre=3, validators=3, post=3), lambda id: 1.0)

    assert [warning.partition(":")[0] for warning in found.warnings] == [
        "9 steps in all", "3 steps in pre", "3 steps in validators", "3 steps in post",
    ]  # fmt: skip
    assert len(found.recommendations) == 4


def test_an_empty_pipeline_is_simple() -> None:
    found = complexity(Declared(), lambda id: None)

    assert (found.complexity_score, found.complexity_level, found.estimated_latency_ms) == (0, "low", 0)
