"""How complex a policy's pipeline is: a score, a level, and about how long its steps take (router P-5)."""

from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec

from ringback.router.policies.model import Declared

MOST: Final = {"total": 4, "pre": 2, "validators": 2, "post": 2}
"""Steps that are advised at most; more are allowed."""
USUAL: Final = 30.0
"""Milliseconds that a step is taken to need while nobody has measured it."""
LONG: Final = 150.0
FULL: Final = 60
"""The score of as many steps as are advised."""
LARGEST: Final = 100
Level = Literal["low", "medium", "high", "very_high"]
LEVELS: Final[tuple[tuple[int, Level], ...]] = ((30, "low"), (60, "medium"), (80, "high"))
"""Below which score it is called so."""
Measured = Callable[[str], float | None]
"""The 95th percentile of a router extension's calls in milliseconds, if there were any."""


class RecommendedLimits(msgspec.Struct, frozen=True):
    """How many steps are advised at most."""

    max_total: int = MOST["total"]
    max_pre: int = MOST["pre"]
    max_validators: int = MOST["validators"]
    max_post: int = MOST["post"]


class PipelineComplexity(msgspec.Struct, frozen=True):
    """How complex a pipeline is; providers are no steps."""

    total_extensions: int
    pre_count: int
    validators_count: int
    post_count: int
    complexity_score: int
    complexity_level: Level
    estimated_latency_ms: float
    recommended_limits: RecommendedLimits
    warnings: list[str]
    recommendations: list[str]


def complexity(declared: Declared, measured: Measured) -> PipelineComplexity:
    """Of a pipeline as it is declared, enabled or not."""
    stages = {"pre": declared.pre, "validators": declared.validators, "post": declared.post}
    counts = {name: len(steps) for name, steps in stages.items()}
    known = (measured(step.id) for steps in stages.values() for step in steps)
    milliseconds = sum(USUAL if one is None else one for one in known)
    points = score(*counts.values())
    advice = list(_advice(counts, milliseconds))
    return PipelineComplexity(
        total_extensions=sum(counts.values()),
        pre_count=counts["pre"],
        validators_count=counts["validators"],
        post_count=counts["post"],
        complexity_score=points,
        complexity_level=level(points),
        estimated_latency_ms=round(milliseconds, 2),
        recommended_limits=RecommendedLimits(),
        warnings=[warning for warning, _ in advice],
        recommendations=[recommended for _, recommended in advice],
    )


def score(*counts: int) -> int:
    """Of so many steps in each stage: up to 60 for four in all, more for each further one and for each long stage."""
    steps, most = sum(counts), MOST["total"]
    more = steps - most
    points = steps * FULL // most if more <= 0 else FULL + min(20, 5 * more) + min(20, 4 * more)
    return min(LARGEST, points + sum(5 for count in counts if count > MOST["pre"]))


def level(points: int) -> Level:
    return next((name for below, name in LEVELS if points < below), "very_high")


def _advice(counts: dict[str, int], milliseconds: float) -> Iterator[tuple[str, str]]:
    """What is beyond what is advised, and what to do about it."""
    for name, count in {"total": sum(counts.values()), **counts}.items():
        if count > MOST[name]:
            of = "steps in all" if name == "total" else f"steps in {name}"
            yield (
                f"{count} {of}: at most {MOST[name]} are advised",
                f"do with fewer {of}, or join some in one extension",
            )
    if milliseconds > LONG:
        yield (
            f"its steps take about {milliseconds:.0f} ms: at most {LONG:.0f} ms are advised",
            "look for the slowest step, or do without one",
        )
