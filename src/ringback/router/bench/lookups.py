"""Lookups by id: how long one takes (T-1), and whether any is refused wrongly while all is swapped (T-2)."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from ringback.app import Router
from ringback.router.bench.content import mixed
from ringback.router.bench.figures import Figure, Found, quantile, spread
from ringback.router.extensions.model import ExtensionNotFound
from ringback.router.extensions.registry import Registry, Snapshot

SAMPLES: Final = 200_000
READERS: Final = 4
PAUSE: Final = 0.001
"""Seconds between two swaps."""


def single(registry: Registry, ids: Sequence[str]) -> Found:
    """Each lookup between two readings of the clock, whose own time is taken off; the floor is read in the same way."""
    chosen = list(mixed(ids, SAMPLES))
    bare = dict(registry.snapshot.by_id)
    clock = quantile([after - before for before, after in (_twice() for _ in chosen)], 0.5)
    floor = spread([one - clock for one in _timed(bare.__getitem__, chosen)])
    found = spread([one - clock for one in _timed(registry.lookup, chosen)])
    begun = time.perf_counter_ns()
    for id in chosen:
        registry.lookup(id)
    mean = (time.perf_counter_ns() - begun) / SAMPLES
    figure = Figure(
        "T-1", "lookup by id, p99", found["p99"] / 1000, "us", "<", 10, floor["p99"] / 1000, "bare dict access, p99"
    )
    details = {"records": len(ids), "lookup_ns": found, "dict_ns": floor, "clock_ns": clock, "mean_in_a_row_ns": mean}
    return Found([figure], {"T-1": details})


def _twice() -> tuple[int, int]:
    return time.perf_counter_ns(), time.perf_counter_ns()


def _timed(read: Callable[[str], object], ids: Sequence[str]) -> list[int]:
    """Nanoseconds of each access, with one reading of the clock in it."""
    clock = time.perf_counter_ns
    taken = []
    for id in ids:
        begun = clock()
        read(id)
        taken.append(clock() - begun)
    return taken


class Readers:
    """Threads that look up all ids again and again, while inside, and count what is not found."""

    def __init__(self, registry: Registry, ids: Sequence[str]) -> None:
        self._registry = registry
        self._ids = ids
        self._is_over = False
        self._threads = [threading.Thread(target=self._read, args=(place,)) for place in range(READERS)]
        self.looked = [0] * READERS
        self.missed = [0] * READERS

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        for thread in self._threads:
            thread.join()

    def _read(self, place: int) -> None:
        while not self._is_over:
            for id in self._ids:
                try:
                    self._registry.lookup(id)
                except ExtensionNotFound:
                    self.missed[place] += 1
                self.looked[place] += 1


async def swapped(router: Router, ids: Sequence[str], seconds: float) -> Found:
    """Whole loads one after the other, and meanwhile a snapshot that is swapped for another every millisecond."""
    now = router.registry.snapshot
    twins = [Snapshot.of(now.revision, now.by_id.values()) for _ in range(2)]
    swaps = loads = failures = 0
    deadline = time.monotonic() + seconds

    async def swap() -> None:
        nonlocal swaps
        while True:
            router.registry.install(twins[swaps % 2])
            swaps += 1
            await asyncio.sleep(PAUSE)

    with Readers(router.registry, ids) as readers:
        swapping = asyncio.create_task(swap())
        while time.monotonic() < deadline or not loads:
            failures += not (await router.loader.reload()).ok
            loads += 1
        swapping.cancel()
    details = {
        "records": len(ids),
        "readers": READERS,
        "seconds": seconds,
        "lookups": sum(readers.looked),
        "loads": loads,
        "failed_loads": failures,
        "swaps": swaps + loads,
        "misses": sum(readers.missed),
    }
    figure = Figure("T-2", "misses of live ids while all is loaded and swapped", sum(readers.missed), "", "=", 0)
    return Found([figure], {"T-2": details})
