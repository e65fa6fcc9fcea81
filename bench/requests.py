"""M-1: one extension asked for over RabbitMQ, beside an echo by the same client."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.child import Running
from bench.ground import QUEUE, Ground
from bench.processes import spending
from ringback.router.bench.figures import Figure, Found

KNOWN: Final = 1000
"""Extensions that are asked for, in turn."""
IN_FLIGHT: Final = (1, 16, 64)
ROUNDS: Final = 3
SECONDS: Final = 3.0
WARM: Final = 0.5
ECHO: Final = "bench.echo"


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that are compared: who answers, where, and the processes that work for it."""

    queue: str
    envelopes: Path
    pids: dict[str, int]


async def load(callers: Running, side: Side, seconds: float, **how: object) -> dict[str, Any]:
    """What so many seconds of load came to, and what each process spent for one operation."""
    with spending({**side.pids, "callers": callers.pid}) as spent:
        found = await callers.ask(queue=side.queue, envelopes=str(side.envelopes), seconds=seconds, **how)
    return {**found, "cpu_us_each": spent.us_each(found["count"])}


async def rounds(callers: Running, sides: Mapping[str, Side], seconds: float, in_flight: int) -> dict[str, Any]:
    """The medians of some rounds of each side, in which they take turns, behind one that makes everything warm."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for lasting in (min(WARM, seconds), *[seconds] * ROUNDS):
        for name, side in sides.items():
            found[name].append(await load(callers, side, lasting, in_flight=in_flight))
    return {name: _middle(some[1:]) for name, some in found.items()}


def _middle(some: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "a_second": median(one["a_second"] for one in some),
        "p99_ms": median(one["ms"]["p99"] for one in some),
        "cpu_us_each": {name: median(one["cpu_us_each"][name] for one in some) for name in some[0]["cpu_us_each"]},
        "rounds": some,
    }


async def measure(ground: Ground) -> Found:
    site = await ground.site(ground.amount(10_000))
    assert site.content
    ids = [site.content.id(number) for number in range(1, min(KNOWN, site.content.count) + 1)]
    envelopes = ground.envelopes([("GET", f"/v1/extensions/{id}", None) for id in ids])
    broker, database = (await ground.rabbitmq()).pid, (await ground.mariadb()).pid
    async with AsyncExitStack() as stack:
        registrar = await stack.enter_async_context(ground.registrar(site, alone=False))
        echo = await stack.enter_async_context(ground.echo(ECHO))
        callers = await stack.enter_async_context(ground.callers())
        sides = {
            "ringback": Side(
                QUEUE, envelopes, {"service": registrar.process.pid, "broker": broker, "database": database}
            ),
            "echo": Side(ECHO, envelopes, {"service": echo.pid, "broker": broker}),
        }
        seconds = ground.seconds(SECONDS)
        details = {str(count): await rounds(callers, sides, seconds, count) for count in IN_FLIGHT}
    figures = [rate("M-1", f"a second, {count} in flight", details[str(count)]) for count in IN_FLIGHT]
    return Found([*figures, _slowest(details[str(IN_FLIGHT[-1])])], {"M-1": details})


def rate(number: str, what: str, found: Mapping[str, Any], floor_is: str = "echo") -> Figure:
    """How many a second beside the echo's."""
    ours, floor = (found[name]["a_second"] for name in ("ringback", "echo"))
    return Figure(number, what, ours, "", ">=", 0.6, floor, floor_is, of_floor=True)


def _slowest(found: Mapping[str, Any]) -> Figure:
    ours, floor = (found[name]["p99_ms"] for name in ("ringback", "echo"))
    return Figure("M-1", f"p99, {IN_FLIGHT[-1]} in flight", ours, "ms", "<=", 3, floor, "echo", of_floor=True)
