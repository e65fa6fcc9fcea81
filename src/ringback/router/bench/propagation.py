"""How soon a change of one node is served by all: three processes on one database (T-7)."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from ringback.router.bench.figures import Figure, Found, quantile, spread
from ringback.router.bench.ground import Ground
from ringback.router.bench.led import Led, led
from ringback.router_node import ear_of
from ringback.settings import Settings

NODES: Final = 3
FIRST: Final = 20
"""Changes that do not count: connections are opened, code is run for the first time."""
WITHIN: Final = 300.0
"""Seconds that a listener waits."""
PROCESS: Final = "ringback.router.bench.process"
NOTICES: Final = 200
CHANNEL: Final = "ringback_bench"


@asynccontextmanager
async def nodes_on(ground: Ground, folder: Path) -> AsyncIterator[list[Led]]:
    """Nodes that follow the database, each with a home of its own, while inside."""
    async with AsyncExitStack() as stack:
        found = []
        for number in range(NODES):
            found.append(await stack.enter_async_context(led(PROCESS, folder / f"node{number}.log")))
            given = {**ground.given, "node_id": f"node{number}", "ringback_home": str(folder / f"home{number}")}
            await found[-1].tell(given)
        yield found


async def propagated(ground: Ground, ids: Sequence[str], revision: int, changes: int) -> Found:
    """Of each change the time from its beginning until the last of the nodes serves it."""
    settings = ground.settings()
    async with nodes_on(ground, settings.ringback_home) as nodes:
        await asyncio.gather(*(node.ask(revision=revision) for node in nodes))
        made = (await nodes[0].ask(ids=ids, count=FIRST + changes))[FIRST:]
        seen = await asyncio.gather(*(node.ask(revision=made[-1][0]) for node in nodes))
    served = [[_served(moments, number) for moments in seen] for number, _, _ in made]
    whole = [(max(at) - begun) / 1e6 for at, (_, begun, _) in zip(served, made, strict=True)]
    after = [(max(at) - committed) / 1e6 for at, (_, _, committed) in zip(served, made, strict=True)]
    is_told = settings.databases[0].get_backend_name() == "postgresql"
    floor = spread(await notices(settings)) if is_told else None
    figure = Figure(
        "T-7",
        f"change served by {NODES} nodes, from its beginning, p99",
        quantile(whole, 0.99),
        "ms",
        "<",
        100,
        floor["p99"] if floor else None,
        "bare NOTIFY to a bare listener, p99" if floor else "",
    )
    details = {
        "nodes": NODES,
        "records": len(ids),
        "changes": changes,
        "from_begin_ms": spread(whole),
        "from_commit_ms": spread(after),
        "write_ms": spread([(committed - begun) / 1e6 for _, begun, committed in made]),
        "notify_ms": floor,
    }
    return Found([figure], {"T-7": details})


def _served(moments: Sequence[tuple[int, int]], revision: int) -> int:
    """When a node first served that revision, or a later one."""
    return next(at for number, at in moments if number >= revision)


async def notices(settings: Settings) -> list[float]:
    """Milliseconds from a NOTIFY by one connection until another one has heard it."""
    open = ear_of(settings)
    speaker, listener = await open(), await open()
    heard: asyncio.Queue[float] = asyncio.Queue()
    begun = asyncio.Event()
    listening = asyncio.create_task(
        listener.listen(CHANNEL, begun.set, lambda: heard.put_nowait(time.perf_counter()), WITHIN)
    )
    taken = []
    try:
        await begun.wait()
        for _ in range(NOTICES):
            said = time.perf_counter()
            await speaker.execute("SELECT pg_notify($1, '')", (CHANNEL,))  # type: ignore[attr-defined]
            taken.append((await heard.get() - said) * 1000)
    finally:
        listening.cancel()
        await asyncio.wait({listening})
        for one in (speaker, listener):
            one.close()
    return taken
