"""What a benchmark has found: figures, each beside its target and beside what the same costs without us."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Sign = Literal["<", "<=", ">", "=", ">="]
HOLDS: Final[Mapping[Sign, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    "=": operator.eq,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the target with that number. `floor` is what `floor_is` came to in the same run.

    `value` is `None` where it could not be measured. With `of_floor` the limit is one of the ratio to the floor.
    Without a limit it is shown beside its floor, and neither met nor missed.
    """

    number: str
    what: str
    value: float | None
    unit: str
    sign: Sign
    limit: float | None
    floor: float | None = None
    floor_is: str = ""
    of_floor: bool = False

    @property
    def target(self) -> str:
        """In words; none without a limit."""
        if self.limit is None:
            return ""
        return f"{self.sign} {self.limit:,g} {'x floor' if self.of_floor else self.unit}".rstrip()

    @property
    def passes(self) -> bool | None:
        found = self.ratio if self.of_floor else self.value
        return None if found is None or self.limit is None else HOLDS[self.sign](found, self.limit)

    @property
    def ratio(self) -> float | None:
        """How many times the floor; `None` where there is none."""
        return self.value / self.floor if self.floor and self.value is not None else None

    def document(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "number": self.number,
            "what": self.what,
            "figure": self.value,
            "unit": self.unit,
            "target": self.target,
            "pass": self.passes,
            "floor": self.floor,
            "floor_is": self.floor_is or None,
            "ratio": self.ratio,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """What one benchmark has found; `details` by the number of the target: counts, and how it was measured.

    `blocks` are Markdown that a page shows after them.
    """

    figures: Sequence[Figure]
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    blocks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """What all benchmarks have found on one engine."""

    engine: str
    found: Sequence[Found]

    @property
    def figures(self) -> list[Figure]:
        return [figure for one in self.found for figure in one.figures]

    def document(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "engine": self.engine,
            "results": [figure.document() for figure in self.figures],
            "blocks": [block for one in self.found for block in one.blocks],
            "details": {number: details for one in self.found for number, details in one.details.items()},
        }


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least that share of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def spread(values: Sequence[float]) -> dict[str, float]:
    """How many values there are, and how they lie."""
    return {"count": len(values), "p50": quantile(values, 0.5), "p99": quantile(values, 0.99), "max": max(values)}
