"""What the calls of the last five minutes were like: successes, failures, latencies (R-7a)."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, frexp, inf, ldexp
from typing import Final

SLICES: Final = 30
SLICE: Final = 10.0
"""Seconds."""
PARTS: Final = 16
"""Of each power of two, all of one width: half of one is at most a 32nd of what is in it."""
LEAST: Final = 0.001
"""Milliseconds that are told from fewer."""

Histogram = Mapping[int, int]
"""How many were in each bucket that has any; those of several nodes can be added."""


def bucket_of(milliseconds: float) -> int:
    mantissa, exponent = frexp(milliseconds if milliseconds > LEAST else LEAST)
    return exponent * PARTS + int((mantissa - 0.5) * 2 * PARTS)


def middle_of(bucket: int) -> float:
    """The milliseconds that a bucket stands for."""
    exponent, part = divmod(bucket, PARTS)
    return ldexp(0.5 + (part + 0.5) / (2 * PARTS), exponent)


def merged(some: Iterable[Histogram]) -> dict[int, int]:
    found: dict[int, int] = {}
    for one in some:
        for bucket, count in one.items():
            found[bucket] = found.get(bucket, 0) + count
    return found


def percentile(histogram: Histogram, share: float) -> float | None:
    """The milliseconds within which that share of them was; `None` of nothing."""
    left = ceil(share * sum(histogram.values()))
    for bucket in sorted(histogram):
        left -= histogram[bucket]
        if left <= 0:
            return round(middle_of(bucket), 3)
    return None


@dataclass(slots=True)
class Slice:
    """Ten seconds of it."""

    number: int
    successes: int = 0
    failures: int = 0
    histogram: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figures:
    """A window as it is at one moment."""

    successes: int
    failures: int
    histogram: Histogram

    @property
    def samples(self) -> int:
        return self.successes + self.failures

    @property
    def success_rate(self) -> float | None:
        return self.successes / self.samples if self.samples else None

    def latency(self, share: float) -> float | None:
        return percentile(self.histogram, share)


class Window:
    """The last five minutes, ten seconds together; old slices go by themselves."""

    __slots__ = ("_ends", "_slices", "failures", "successes")

    def __init__(self) -> None:
        self._slices: deque[Slice] = deque()
        self._ends = -inf
        self.successes = self.failures = 0

    def add(self, now: float, milliseconds: float, *, succeeded: bool) -> None:
        """One call that ended at `now`, of a clock that only goes on."""
        if now >= self._ends:
            number = self.look(now)
            self._ends = (number + 1) * SLICE
            self._slices.append(Slice(number))
        newest = self._slices[-1]
        if succeeded:
            newest.successes += 1
            self.successes += 1
        else:
            newest.failures += 1
            self.failures += 1
        bucket = bucket_of(milliseconds)
        newest.histogram[bucket] = newest.histogram.get(bucket, 0) + 1

    def look(self, now: float) -> int:
        """Forget what is too old; the number of the slice of now."""
        number = int(now / SLICE)
        while self._slices and self._slices[0].number <= number - SLICES:
            gone = self._slices.popleft()
            self.successes -= gone.successes
            self.failures -= gone.failures
        return number

    def figures(self, now: float) -> Figures:
        self.look(now)
        return Figures(self.successes, self.failures, merged(one.histogram for one in self._slices))
