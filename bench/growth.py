"""M-10: what a request, a create and a list cost as extensions grow in number, in CPU of each process and in rows."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from math import log
from statistics import median
from typing import Any, Final

from bench import lists
from bench.child import Running
from bench.ground import Ground, Site
from bench.sides import WARM, Side, load
from ringback.router.bench.figures import Figure, Found

SIZES: Final = (10_000, 100_000, 1_000_000)
KNOWN: Final = 1000
READY: Final = 20_000
"""Creates that are ready to be asked for."""
IN_FLIGHT: Final = 16
ROUNDS: Final = 5
SECONDS: Final = 1.5
FLAT: Final = 1.25
"""How many times what it costs among the fewest it may cost among the most; for the database see `deeper`."""
NAMES: Final = {"get": "GET of one", "create": "create", "list": "list of 100"}
PARTS: Final = ("service", "broker", "database")
CHART: Final = """\
```mermaid
xychart-beta
    title "{title}: CPU us of service, broker and database, by extensions"
    x-axis [{sizes}]
    y-axis "us" 0 --> {most}
{lines}
```"""


@dataclass(slots=True)
class Growing:
    """One operation among so many extensions, and what its rounds have cost."""

    site: Site
    side: Side
    asked: int = 0
    us: list[dict[str, float]] = field(default_factory=list)

    async def round(self, callers: Running, seconds: float) -> None:
        found = await load(callers, self.side, seconds, in_flight=IN_FLIGHT, first=self.asked)
        assert set(found["came"]) == {"200"}, found["came"]
        self.asked += found["count"]
        self.us.append(found["cpu_us_each"])

    async def document(self, callers: Running) -> dict[str, Any]:
        """What it costs, the first round left out, which makes everything warm."""
        cost = {part: median(one[part] for one in self.us[1:]) for part in PARTS}
        counted = await lists.counted(self.site, callers, self.side, first=self.asked)
        return {"cpu_us_each": cost, **counted}


async def measure(ground: Ground) -> Found:
    counts = sorted({ground.amount(size) for size in SIZES})
    async with AsyncExitStack() as stack:
        callers = await stack.enter_async_context(ground.callers())
        growing: dict[tuple[str, int], Growing] = {}
        for count in counts:
            for name, one in (await _among(ground, stack, count)).items():
                growing[name, count] = one
        for lasting in (min(WARM, ground.seconds(SECONDS)), *[ground.seconds(SECONDS)] * ROUNDS):
            for one in growing.values():
                await one.round(callers, lasting)
        found = {key: await one.document(callers) for key, one in growing.items()}
    details = {f"{name}_{count}": one for (name, count), one in found.items()}
    by_name = {name: {count: found[name, count] for count in counts} for name in NAMES}
    figures = [figure for name, some in by_name.items() for figure in compared(name, some)]
    return Found(figures, {"M-10": details}, [chart(NAMES[name], some) for name, some in by_name.items()])


async def _among(ground: Ground, stack: AsyncExitStack, count: int) -> dict[str, Growing]:
    """Each operation on a service with a queue of its own. What is created stays: it is few beside what there is."""
    site = await ground.site(count)
    assert site.content
    queue, whose = f"bench.growth.{count}", str(site.customer_id)
    registrar = await stack.enter_async_context(ground.registrar(site, alone=False, rabbit_queue_listen=queue))
    servers = {"broker": (await ground.rabbitmq()).pid, "database": (await ground.mariadb()).pid}
    ids = [site.content.id(number) for number in range(1, min(KNOWN, count) + 1)]
    new = [{"customer_id": whose, "extension": f"new{number}"} for number in range(READY)]
    asked = {
        "get": ground.envelopes([("GET", f"/v1/extensions/{id}", None) for id in ids]),
        "create": ground.envelopes([("POST", "/v1/extensions", one) for one in new]),
        "list": lists.asked(ground, site, lists.FAR),
    }
    pids = servers | {"service": registrar.process.pid}
    return {name: Growing(site, Side(queue, envelopes, pids)) for name, envelopes in asked.items()}


def compared(name: str, found: Mapping[int, Any]) -> list[Figure]:
    """What the operation costs among the most, each beside what it costs among the fewest."""
    least, most = (found[count] for count in (min(found), max(found)))
    among = f"among {min(found):,}"
    limits = dict.fromkeys(PARTS, FLAT) | {"database": deeper(min(found), max(found))}
    parts = [
        (f"CPU of {part}", "us", limit, *(one["cpu_us_each"][part] for one in (most, least)))
        for part, limit in limits.items()
    ] + [("rows examined", "", FLAT, most["rows_examined"], least["rows_examined"])]
    return [
        Figure("M-10", f"{NAMES[name]}, {what}", value, unit, "<=", limit, floor, among, of_floor=True)
        for what, unit, limit, value, floor in parts
    ]


def deeper(few: int, many: int) -> float:
    """How many times what the database pays among few it may pay among many, `FLAT` at least.

    A search of an index grows with the logarithm of its entries.
    """
    return round(max(log(many) / log(few), FLAT), 2)


def chart(title: str, found: Mapping[int, Any]) -> str:
    """A block of Markdown that shows it: a line of each process, in the order of the title."""
    lines = [[one["cpu_us_each"][part] for one in found.values()] for part in PARTS]
    return CHART.format(
        title=title,
        sizes=", ".join(f'"{count:,}"' for count in found),
        most=round(max(map(max, lines)) * 1.2) + 1,
        lines="\n".join(f"    line [{_listed(line)}]" for line in lines),
    )


def _listed(values: Sequence[float]) -> str:
    return ", ".join(str(round(value)) for value in values)
