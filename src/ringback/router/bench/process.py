"""A node in a process of its own, for the benchmark of propagation: it notes when it begins to serve each revision.

Lines of JSON lead it: its settings first, then numbers of changes to be made, or a revision that it shall serve.
The moments are those of CLOCK_MONOTONIC, which all processes of a machine share.
"""

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import uvloop

from ringback.app import Router
from ringback.kit import log
from ringback.knobs import load
from ringback.router.bench.content import change_one
from ringback.router.bench.ground import node
from ringback.router.writing import PUBLISHER

PAUSE = (0.02, 0.08)
"""Seconds between two changes: by chance, so that they keep no step with whoever looks at intervals."""


class Process:
    """A router whose upkeep runs, and the moments at which its registry has moved."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._moved = asyncio.Event()
        self._seen: list[tuple[int, int]] = []
        router.registry.watchers.append(self._note)

    def _note(self) -> None:
        self._seen.append((self._router.registry.snapshot.revision, time.monotonic_ns()))
        self._moved.set()

    async def serve(self, revision: int) -> Sequence[tuple[int, int]]:
        """When it has come to serve each revision up to this one, which is waited for."""
        while self._router.registry.snapshot.revision < revision:
            self._moved.clear()
            await self._moved.wait()
        return self._seen

    async def change(self, ids: Sequence[str], count: int) -> list[tuple[int, int, int]]:
        """Make so many changes; of each its revision, when it was begun, and when it was committed."""
        made = []
        chance = random.Random(count)  # noqa: S311
        for number in range(count):
            await asyncio.sleep(chance.uniform(*PAUSE))
            begun = time.monotonic_ns()
            await change_one(self._router, ids, number, "followed")
            made.append((self._router.registry.snapshot.revision, begun, time.monotonic_ns()))
        return made

    async def follow(self, asked: dict[str, Any]) -> Any:
        """What a line asks for."""
        if "count" in asked:
            return await self.change(asked["ids"], asked["count"])
        return await self.serve(asked["revision"])


async def run() -> None:
    """Until nobody says anything any more."""
    settings = load(msgspec.json.decode(sys.stdin.readline()))
    log.set_up(PUBLISHER, "error", "console")
    async with node(settings) as router:
        process = Process(router)
        upkeep = asyncio.create_task(router.node.run())
        while line := await asyncio.to_thread(sys.stdin.readline):
            answer = await process.follow(msgspec.json.decode(line))
            print(msgspec.json.encode(answer).decode(), flush=True)  # noqa: T201
        upkeep.cancel()
        with suppress(asyncio.CancelledError):
            await upkeep


if __name__ == "__main__":
    uvloop.run(run())
