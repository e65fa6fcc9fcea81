"""M-2: extensions created over RabbitMQ, beside the same rows written by the bare driver behind the echo."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from bench import rows
from bench.child import Running
from bench.ground import QUEUE, Ground, Site
from bench.processes import spending
from bench.sides import ECHO, WARM, Side, load, middle
from ringback.router.bench.figures import Figure, Found

IN_FLIGHT: Final = 16
ROUNDS: Final = 5
SECONDS: Final = 4.0
READY: Final = 60_000
"""Requests that are ready to be sent."""
COUNT: Final = "SELECT COUNT(*) FROM {}"
WAITING: Final = COUNT.format("registrar_outbox WHERE tm_publish IS NULL")
LOOK: Final = 0.01
"""Seconds between two looks whether an event still waits."""
SAID: Final = ("Questions", "Com_commit", "Handler_read_key", "Handler_write")


@dataclass(slots=True)
class Creating:
    """One of those that are compared, and the databases that it writes."""

    side: Side
    site: Site
    rounds: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0

    async def round(self, callers: Running, seconds: float) -> None:
        """So many seconds of creates, and as long as it takes until no event waits any more."""
        before = self._said()
        with spending({**self.side.pids, "callers": callers.pid}) as spent:
            begun = time.perf_counter()
            found = await load(callers, self.side, seconds, in_flight=IN_FLIGHT, first=self.asked)
            while self.site.own.execute(WAITING) != [(0,)]:  # noqa: ASYNC110
                await asyncio.sleep(LOOK)
            whole = time.perf_counter() - begun
        count = found["count"]
        said = {name: (value - before[name]) / count for name, value in self._said().items()}
        cost = {"statements_each": said, "cpu_us_each": spent.us_each(count)}
        self.asked += count
        self.rounds.append({**found, **cost, "a_second": count / whole, "until_published": whole})

    def _said(self) -> dict[str, int]:
        found = dict(self.site.own.execute("SHOW GLOBAL STATUS"))
        return {name: int(found[name]) for name in SAID}

    def made(self) -> dict[str, int]:
        """How many rows each table has."""
        places = {"own": self.site.own, "asterisk": self.site.asterisk}
        tables = [(places[place], table) for place, some in rows.WRITTEN.items() for table in some]
        return {table: place.execute(COUNT.format(table))[0][0] for place, table in tables}

    def document(self) -> dict[str, Any]:
        """What its rounds came to, but for the first, which makes everything warm."""
        return {**middle(self.rounds[1:]), "asked": self.asked, "rows": self.made()}


async def measure(ground: Ground) -> Found:
    ours, bare = await ground.empty_site(), await ground.empty_site()
    shared = {"broker": (await ground.rabbitmq()).pid, "database": (await ground.mariadb()).pid}
    requests = _creates(ground, ours, [f"{number:08d}" for number in range(READY)])
    async with ground.registrar(ours, database_pool_size=IN_FLIGHT) as registrar, ground.callers() as callers:
        for number in ("first", rows.NUMBER):  # with the first one comes the realm of the customer
            one = _creates(ground, ours, [number])
            await callers.ask(queue=QUEUE, envelopes=str(one), in_flight=1, seconds=10, times=1)
        async with ground.echo(ECHO, database=bare.driver(), **_recorded(ours, bare)) as echo:
            sides = [
                Creating(Side(QUEUE, requests, {"service": registrar.process.pid, **shared}), ours),
                Creating(Side(ECHO, requests, {"service": echo.pid, **shared}), bare),
            ]
            for lasting in (min(WARM, ground.seconds(SECONDS)), *[ground.seconds(SECONDS)] * ROUNDS):
                for side in sides:
                    await side.round(callers, lasting)
    return _found(*sides)


def _creates(ground: Ground, site: Site, numbers: list[str]) -> Path:
    whose = str(site.customer_id)
    return ground.envelopes([("POST", "/v1/extensions", {"customer_id": whose, "extension": one}) for one in numbers])


def _recorded(ours: Site, bare: Site) -> dict[str, Any]:
    where, to = ({"own": site.own, "asterisk": site.asterisk} for site in (ours, bare))
    ((id,),) = ours.own.execute("SELECT id FROM registrar_extensions WHERE extension = %s", rows.NUMBER)
    return {"rows": msgspec.to_builtins(rows.recorded(where, to)), "id": str(UUID(bytes=id))}


def _found(ours: Creating, bare: Creating) -> Found:
    details = {"ringback": ours.document(), "driver": bare.document()}
    value, floor = (one["a_second"] for one in details.values())
    what = f"creates a second, {IN_FLIGHT} in flight"
    figure = Figure("M-2", what, value, "", ">=", 0.5, floor, "bare driver behind the echo", of_floor=True)
    return Found([figure], {"M-2": details})
