"""M-1: one extension asked for over RabbitMQ, beside an echo by the same client."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from bench.ground import QUEUE, Ground
from bench.sides import ECHO, Side, rounds
from ringback.router.bench.figures import Figure, Found

KNOWN: Final = 1000
"""Extensions that are asked for, in turn."""
IN_FLIGHT: Final = (1, 16, 64)
SECONDS: Final = 2.0


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
