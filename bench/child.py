"""A part of the bench in a process of its own: told its settings it says when it is ready, then answers in JSON."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import uvloop

READY: Final = {"ready": True}
LONGEST: Final = 1 << 26
"""Bytes of a line."""

Ask = Callable[[Any], Awaitable[Any]]
Child = Callable[[Any], AbstractAsyncContextManager[Ask]]
"""Its settings to what answers each line, while inside."""


class ChildFailed(Exception):
    """It ended instead of answering; the text is what it has said."""


@dataclass(frozen=True, slots=True)
class Running:
    """One that runs."""

    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        return self.process.pid

    async def ask(self, **what: object) -> Any:
        """Its answer. Raises ChildFailed."""
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(what) + b"\n")
        return await self.heard()

    async def heard(self) -> Any:
        """The next line that it says. Raises ChildFailed."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            assert self.process.stderr is not None
            raise ChildFailed((await self.process.stderr.read()).decode()[-2000:])
        return msgspec.json.decode(line)


@asynccontextmanager
async def child(module: str, **settings: object) -> AsyncIterator[Running]:
    """`python -m module` while inside, which was ready. Raises ChildFailed."""
    async with program(sys.executable, "-m", module) as running:
        await running.ask(**settings)
        yield running


@asynccontextmanager
async def program(*words: str) -> AsyncIterator[Running]:
    """A command while inside."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *words, stdin=pipe, stdout=pipe, stderr=pipe, limit=LONGEST, env={**os.environ}
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def serve(made: Child) -> None:
    """What the module of a child does when it is started."""
    uvloop.run(_serve(made))


async def _serve(made: Child) -> None:
    reader = asyncio.StreamReader(limit=LONGEST)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with made(msgspec.json.decode(await reader.readline())) as answer:
        _say(READY)
        while line := await reader.readline():
            _say(await answer(msgspec.json.decode(line)))


def _say(what: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()
