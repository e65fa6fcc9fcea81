"""Processes of a benchmark, each led by lines of JSON that it answers."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from ringback.demo.children import end, spawn
from ringback.kit.errors import Unavailable

WITHIN: Final = 300.0
"""Seconds that a process may be silent."""
LEAVING: Final = 10.0


class NodeSilent(Unavailable):
    """A process of the benchmark has ended or says nothing."""

    reason = "NODE_SILENT"


class Led:
    """One of them; `log` is where its errors go."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    async def ask(self, **asked: Any) -> Any:
        """Its answer to a line."""
        await self.tell(asked)
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(WITHIN):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        if not line:
            last = self._log.read_text().strip().rpartition("\n")[2]
            raise NodeSilent.of(NodeSilent.reason, f"A process of the benchmark has ended or says nothing: {last}")
        return msgspec.json.decode(line)

    async def tell(self, said: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(said) + b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def led(module: str, log: Path) -> AsyncIterator[Led]:
    """What that module of ours runs, while inside."""
    process = await spawn([sys.executable, "-m", module], errors=log, talk=True)
    try:
        yield Led(process, log)
    finally:
        if process.stdin:
            process.stdin.close()
        await end(process, LEAVING)
