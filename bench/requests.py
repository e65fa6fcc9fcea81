"""M-1: one extension asked for over RabbitMQ, beside an echo by the same client, and one by the client in C."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from bench import librabbitmq
from bench.child import Running, program
from bench.ground import QUEUE, Ground
from bench.sides import ECHO, Side, rounds
from ringback.demo.install import Unusable
from ringback.router.bench.figures import Figure, Found

KNOWN: Final = 1000
"""Extensions that are asked for, in turn."""
IN_FLIGHT: Final = (1, 16, 64)
"""The aim is the last one's; the others are shown."""
AIM: Final = 0.6
SECONDS: Final = 2.0
C: Final = "librabbitmq"
"""The echo by the client in C: shown, and no floor."""


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
        try:
            c = await stack.enter_async_context(_echo_in_c(ground))
            sides[C] = Side(f"{ECHO}.{C}", envelopes, {"service": c.pid, "broker": broker})
        except Unusable as error:
            ground.tell(f"M-1: no echo by {C}: {error}")
        seconds = ground.seconds(SECONDS)
        details = {str(count): await rounds(callers, sides, seconds, count) for count in IN_FLIGHT}
    figures = [
        rate("M-1", f"a second, {count} in flight", details[str(count)], aim=AIM if count == IN_FLIGHT[-1] else None)
        for count in IN_FLIGHT
    ]
    most = details[str(IN_FLIGHT[-1])]
    return Found([*figures, _slowest(most), *_in_c(most)], {"M-1": details})


@asynccontextmanager
async def _echo_in_c(ground: Ground) -> AsyncIterator[Running]:
    """Raises Unusable where it cannot be made."""
    made = await asyncio.to_thread(librabbitmq.echo, ground.folder)
    async with program(str(made), (await ground.rabbitmq()).url(), f"{ECHO}.{C}") as running:
        await running.heard()
        yield running


def rate(
    number: str,
    what: str,
    found: Mapping[str, Any],
    floor_is: str = "echo",
    aim: float | None = AIM,
    side: str = "ringback",
) -> Figure:
    """How many a second beside the echo's; without an aim it is only shown."""
    ours, floor = (found[name]["a_second"] for name in (side, "echo"))
    return Figure(number, what, ours, "", ">=", aim, floor, floor_is, of_floor=True)


def _in_c(found: Mapping[str, Any]) -> list[Figure]:
    what = f"a second by the echo of {C}, {IN_FLIGHT[-1]} in flight"
    return [rate("M-1", what, found, aim=None, side=C)] if C in found else []


def _slowest(found: Mapping[str, Any]) -> Figure:
    ours, floor = (found[name]["p99_ms"] for name in ("ringback", "echo"))
    return Figure("M-1", f"p99, {IN_FLIGHT[-1]} in flight", ours, "ms", "<=", 3, floor, "echo", of_floor=True)
