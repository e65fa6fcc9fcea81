"""M-1: one extension asked for over RabbitMQ, beside an echo by the same client and one by the client in C."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.child import Running
from bench.ground import QUEUE, Ground
from bench.processes import spending
from ringback.router.bench.figures import Figure, Found

KNOWN: Final = 1000
"""Extensions that are asked for, in turn."""
IN_FLIGHT: Final = (1, 16, 64)
SECONDS: Final = 5.0
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


async def measure(ground: Ground) -> Found:
    site = await ground.site(ground.amount(10_000))
    assert site.content
    ids = [site.content.id(number) for number in range(1, min(KNOWN, site.content.count) + 1)]
    envelopes = ground.envelopes([("GET", f"/v1/extensions/{id}", None) for id in ids])
    broker, database = (await ground.rabbitmq()).pid, (await ground.mariadb()).pid
    async with ground.registrar(site) as registrar, ground.echo(ECHO) as echo, ground.callers() as callers:
        ours = Side(QUEUE, envelopes, {"service": registrar.process.pid, "broker": broker, "database": database})
        floor = Side(ECHO, envelopes, {"service": echo.pid, "broker": broker})
        details: dict[str, Any] = {}
        for in_flight in IN_FLIGHT:
            for name, side in (("ringback", ours), ("echo", floor)):
                await load(callers, side, 0.5, in_flight=in_flight)
                details[f"{name}_{in_flight}"] = await load(callers, side, ground.seconds(SECONDS), in_flight=in_flight)
    figures = [_rate(in_flight, details) for in_flight in IN_FLIGHT]
    return Found(figures, {"M-1": details})


def _rate(in_flight: int, details: dict[str, Any]) -> Figure:
    ours, floor = (details[f"{name}_{in_flight}"]["a_second"] for name in ("ringback", "echo"))
    return Figure("M-1", f"a second, {in_flight} in flight", ours, "", ">=", 0.6, floor, "echo", of_floor=True)
