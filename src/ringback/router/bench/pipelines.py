"""What the router adds to the requests of its extensions: statements (T-3), CPU (T-4), time (T-5, T-6)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import median
from typing import Final, Literal

from ringback.router.bench.asking import LATENCY, Way
from ringback.router.bench.figures import Figure, Found

Asks = Literal["call", "pipeline"]

FLYING: Final = 64
"""Requests that are in flight."""
STEPS: Final = 3
ROUNDS: Final = 45
"""Times that all ways are measured, in turn: what else the machine does then falls on all of them."""
COUNTED: Final = 1000
"""Pipelines whose statements are counted."""
SINGLE: Final = 9
"""Slow calls that are made one after the other."""

BARE: Final = "bare triple requests, by the client of NATS"

STATEMENTS: Final = Figure("T-3", "SQL statements per call", None, "", "=", 0)
OVERHEAD: Final = Figure("T-4", "CPU of the router per call, beyond a bare request", None, "ms", "<", 0.05)
RATE: Final = Figure("T-5", "pipelines of three extensions, on one core", None, "a second", ">=", 2000)
SHARE: Final = Figure("T-5", "the same, of as many bare triple requests", None, "", ">=", 0.6)
TOGETHER: Final = Figure("T-6", f"{FLYING} calls of {LATENCY} ms at once, of the time of one", None, "", "<", 2)
FIGURES: Final[dict[Asks, Sequence[Figure]]] = {"call": (STATEMENTS, OVERHEAD, TOGETHER), "pipeline": (RATE, SHARE)}
"""What is measured, still without its values."""


@dataclass(slots=True)
class Flight:
    """So many of something took so long, and so many seconds of CPU of this process."""

    count: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    least: float = inf
    """CPU of one of them in the round that was disturbed least: another guest of the machine only ever adds to it."""

    def add(self, other: "Flight") -> None:
        self.count += other.count
        self.seconds += other.seconds
        self.cpu += other.cpu
        self.least = min(self.least, other.cpu / other.count)

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    def details(self) -> dict[str, float]:
        return {
            "count": self.count,
            "a_second": self.rate,
            "a_second_of_cpu": self.count / self.cpu,
            "cpu_us_each": self.cpu / self.count * 1e6,
            "least_cpu_us_each": self.least * 1e6,
            "cpu_share": self.cpu / self.seconds,
        }


async def flight(ask: Callable[[], Awaitable[None]], seconds: float) -> Flight:
    """As many as can be made in that time, always with `FLYING` of them going on, and each of those at least once."""
    done = Flight()
    began, used = time.perf_counter(), time.process_time()

    async def again() -> None:
        while True:
            await ask()
            done.count += 1
            if time.perf_counter() - began >= seconds:
                return

    await asyncio.gather(*(again() for _ in range(FLYING)))
    done.seconds, done.cpu = time.perf_counter() - began, time.process_time() - used
    return done


async def in_turn(way: Way, seconds: float) -> dict[str, Flight]:
    """Pipelines, and the same requests without them, for so many seconds together."""
    ways = {"pipelines": way.three, "bus": way.bus, "client": way.bare}
    found = {name: Flight() for name in ways}
    each = seconds / ROUNDS / len(ways)
    for number in range(1 + ROUNDS):
        for name, ask in ways.items():
            flown = await flight(ask, each)
            if number:  # the first round does not count: all is done for the first time there
                found[name].add(flown)
    return found


def numbers(name: Asks) -> list[str]:
    """The targets that it measures."""
    return list(dict.fromkeys(figure.number for figure in FIGURES[name]))


def unmeasured(name: Asks, why: str) -> Found:
    """That nothing was found."""
    return Found(FIGURES[name], {number: {"not measured": why} for number in numbers(name)})


async def measured(name: Asks, way: Way, seconds: float) -> Found:
    """What is found in about that many seconds."""
    return await (calls if name == "call" else rates)(way, seconds)


async def calls(way: Way, seconds: float) -> Found:
    """What one call costs."""
    before = way.statements
    for _ in range(COUNTED):
        await way.three()
    statements = way.statements - before
    found = await in_turn(way, seconds)
    floor, whole = (found[name].least / STEPS * 1000 for name in ("bus", "pipelines"))
    one, all = await together(way)
    figures = [
        replace(STATEMENTS, value=statements / COUNTED / STEPS),
        replace(OVERHEAD, value=whole - floor, floor=floor, floor_is="bare request"),
        replace(TOGETHER, value=all / one),
    ]
    details: dict[str, dict[str, object]] = {
        "T-3": {"pipelines": COUNTED, "statements": statements},
        "T-4": details_of(found),
        "T-6": {"one_ms": one, "all_ms": all},
    }
    return Found(figures, details)


async def together(way: Way) -> tuple[float, float]:
    """Milliseconds of one slow call, and of many at once: the median of several."""
    one, all = [], []
    for _ in range(SINGLE):
        one.append(await took(1, way.slow))
        all.append(await took(FLYING, way.slow))
    return median(one), median(all)


async def took(count: int, ask: Callable[[], Awaitable[None]]) -> float:
    """Milliseconds until all of so many are answered that are asked at once."""
    began = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(count)))
    return (time.perf_counter() - began) * 1000


async def rates(way: Way, seconds: float) -> Found:
    """How many pipelines a second there are."""
    found = await in_turn(way, seconds)
    rate, bare = found["pipelines"].rate, found["client"].rate
    figures = [replace(RATE, value=rate, floor=bare, floor_is=BARE), replace(SHARE, value=rate / bare)]
    return Found(figures, {"T-5": details_of(found)})


def details_of(found: Mapping[str, Flight]) -> dict[str, object]:
    return {"in_flight": FLYING, **{name: flown.details() for name, flown in found.items()}}
