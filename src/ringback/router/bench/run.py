"""Runs benchmarks on a ground of their own, one after the other."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ringback.app import Router
from ringback.kit.errors import Unavailable
from ringback.router.bench import lookups, pipelines, propagation, reloads
from ringback.router.bench.asking import asking
from ringback.router.bench.broker import MISSING
from ringback.router.bench.content import Tell, fill
from ringback.router.bench.figures import Found, Run
from ringback.router.bench.ground import Ground, ground, node
from ringback.router.bench.pipelines import Asks
from ringback.router.bench.sustained import sustained

Name = Literal["lookup", "reload", "propagation"] | Asks
ASKING = 10.0
"""Seconds that pipelines are run, at most."""
SWAPPING = 10.0
"""Seconds that all is swapped, at most."""


class NotMeasured(Unavailable):
    """The benchmark's own database does not answer."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured: records of the registry, seconds under load, changes that nodes follow.

    Without the address of a NATS it is that of the settings, or one of the benchmark's own.
    """

    records: int
    seconds: float = 0
    changes: int = 0
    nats_address: str | None = None


async def measured(names: Sequence[Name], places: Sequence[str], sizes: Sizes, tell: Tell) -> list[Run]:
    """The same on each of these places, one after the other; SIGTERM ends it as Ctrl-C does."""
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return [await _on(place, names, sizes, tell) for place in places]


async def _on(place: str, names: Sequence[Name], sizes: Sizes, tell: Tell) -> Run:
    """What was found on a database that is gone when this ends, however it ends."""
    with ground(place) as made:
        tell(made.engine)
        async with node(made.settings()) as router:
            if not (await router.loader.reload()).ok:
                raise NotMeasured
            ids = await fill(router, sizes.records, tell)
            found: list[Found] = []
            for name in names:
                gc.collect()
                found += [one async for one in _part(name, made, router, ids, sizes, tell)]
    return Run(made.engine, found)


async def _part(
    name: Name, place: Ground, router: Router, ids: Sequence[str], sizes: Sizes, tell: Tell
) -> AsyncIterator[Found]:
    if name == "lookup":
        tell("T-1: lookups, one by one")
        yield lookups.single(router.registry, ids)
        tell(f"T-8: lookups under load, {sizes.seconds:g} s")
        yield await sustained(router, ids, sizes.seconds)
    elif name == "reload":
        seconds = min(sizes.seconds, SWAPPING)
        tell(f"T-2: lookups while all is swapped, {seconds:g} s")
        yield await lookups.swapped(router, ids, seconds)
        tell("T-9: whole loads")
        yield await reloads.held_up(router, ids, sizes.seconds, tell)
    elif name == "propagation":
        tell(f"T-7: {sizes.changes} changes on {propagation.NODES} nodes")
        yield await propagation.propagated(place, ids, router.registry.snapshot.revision, sizes.changes)
    else:
        seconds = min(sizes.seconds, ASKING)
        tell(f"{', '.join(pipelines.numbers(name))}: pipelines over NATS, {seconds:g} s")
        async with asking(place, router, sizes.nats_address) as way:
            yield await pipelines.measured(name, way, seconds) if way else pipelines.unmeasured(name, MISSING)
