"""Those that are compared: who answers, what each round of load came to, and what the rounds came to."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.child import Running
from bench.processes import spending

ECHO: Final = "bench.echo"
"""The queue of the floor."""
WARM: Final = 0.5
"""Seconds of a round that makes everything warm, and counts for nothing."""
ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Side:
    """One of them: the queue where it answers, the envelopes that it is sent, the processes that work for it."""

    queue: str
    envelopes: Path
    pids: dict[str, int]


async def load(callers: Running, side: Side, seconds: float, **how: object) -> dict[str, Any]:
    """What so many seconds of load came to, and what each process spent for one operation."""
    with spending({**side.pids, "callers": callers.pid}) as spent:
        found = await callers.ask(queue=side.queue, envelopes=str(side.envelopes), seconds=seconds, **how)
    return {**found, "cpu_us_each": spent.us_each(found["count"])}


async def rounds(callers: Running, sides: Mapping[str, Side], seconds: float, in_flight: int) -> dict[str, Any]:
    """What some rounds of each side came to, in which they take turns."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for lasting in (min(WARM, seconds), *[seconds] * ROUNDS):
        for name, side in sides.items():
            found[name].append(await load(callers, side, lasting, in_flight=in_flight))
    return {name: middle(some[1:]) for name, some in found.items()}


def middle(some: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure of some rounds, what all their answers were, and the rounds."""
    return {
        "a_second": median(one["a_second"] for one in some),
        "p99_ms": median(one["ms"]["p99"] for one in some),
        "cpu_us_each": {name: median(one["cpu_us_each"][name] for one in some) for name in some[0]["cpu_us_each"]},
        "came": dict(sum((Counter(one["came"]) for one in some), Counter[str]())),
        "rounds": some,
    }
