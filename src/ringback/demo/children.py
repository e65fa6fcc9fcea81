"""Processes that do not outlive us: started apart from our terminal, ended on time."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self


async def spawn(
    command: Sequence[str],
    *,
    output: Path | None = None,
    errors: Path | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    talk: bool = False,
) -> asyncio.subprocess.Process:
    """Start a process in a session of its own (Ctrl-C is ours to handle) that ends when we do, even by kill -9.

    `output` and `errors` are files for what it prints; `errors` alone leaves its output for us to read, `output`
    alone gets both. With `talk` we write to it, too. `env` is its whole environment, by default ours.
    """
    if guard := shutil.which("setpriv"):
        command = [guard, "--pdeathsig", "TERM", *command]
    out = output.open("wb") if output else None
    error = errors.open("wb") if errors else None
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE if talk else asyncio.subprocess.DEVNULL,
            stdout=out or asyncio.subprocess.PIPE,
            stderr=error or out,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
    finally:
        for file in (out, error):
            if file:
                file.close()


async def end(process: asyncio.subprocess.Process, within: float) -> None:
    """SIGTERM, after `within` seconds SIGKILL; returns when it is gone."""
    if process.returncode is None and within:
        process.terminate()
    try:
        async with asyncio.timeout(within):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


class Child:
    """A server in a process of ours: its id, its end. Use `stop()` or `async with`."""

    STOP_SECONDS: ClassVar[float] = 5.0
    _process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id, for as long as it runs."""
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """End it by SIGKILL, as a crash would; what it has left behind stays."""
        if self._process is not None:
            await end(self._process, 0)

    async def stop(self) -> None:
        """End it; may be called twice."""
        if self._process is not None:
            await end(self._process, self.STOP_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
