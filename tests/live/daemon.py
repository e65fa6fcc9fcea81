"""`registrar-manager` as an operator runs it: a process with settings in its environment, ready when it says so."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from ringback.databases import places
from ringback.knobs import load
from ringback.migrations import commands
from tests.patience import ENOUGH
from tests.servers.database import Database

DOMAINS = {"domain_name_extension": "registrar.example.com", "domain_name_trunk": "trunk.example.com"}
HTTP = {"prometheus_listen_address": "127.0.0.1:0"}
BIN = Path(sys.executable).parent


def databases(own: Database, asterisk: Database | None = None) -> dict[str, str]:
    """Settings that lead to two databases of MariaDB, or two schemas of one of PostgreSQL, with their tables."""
    if asterisk:
        found = {"database_dsn_bin": own.dsn, "database_dsn_asterisk": asterisk.dsn}
    else:
        for schema in ("bin_manager", "asterisk"):
            own.execute(f"CREATE SCHEMA {schema}")
        found = {
            "database_dsn_bin": f"{own.url}?search_path=bin_manager",
            "database_dsn_asterisk": f"{own.url}?search_path=asterisk",
        }
    for name, url in places(load(found)).items():
        commands.upgrade(name, url)
    return found


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Settings as variables, and nothing else of ours but the path."""
    return {"PATH": os.environ["PATH"], **{name.upper(): str(value) for name, value in settings.items()}}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended that was not to start."""

    code: int
    line: str


async def refused(program: str, *arguments: str, **settings: object) -> Ended:
    """Start something that ends by itself."""
    process = await asyncio.create_subprocess_exec(
        *(str(BIN / program), *arguments),
        env=environment({**DOMAINS, **HTTP, **settings}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(ENOUGH):
        _, said = await process.communicate()
    lines = [line for line in said.decode().splitlines() if not line.startswith("{")]
    assert len(lines) == 1, said.decode()
    return Ended(process.returncode or 0, lines[0])


class Daemon:
    """A running one; `log` is what it has logged so far, `metrics_url` where metrics and health are, `url` its REST."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[dict[str, object]] = []
        self.metrics_url = self.url = ""
        self._reading = asyncio.create_task(self._read())
        self._started = asyncio.Event()
        self._stopping = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def running(
        cls, *arguments: str, program: str = "registrar-manager", **settings: object
    ) -> AsyncIterator[Self]:
        """One that has started; killed at the end if it still runs."""
        process = await asyncio.create_subprocess_exec(
            *(str(BIN / program), *arguments),
            env=environment({**DOMAINS, **HTTP, **settings}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        self = cls(process)
        try:
            async with asyncio.timeout(ENOUGH):
                await self._started.wait()
            yield self
        finally:
            if process.returncode is None:
                process.kill()
            await self._reading

    def tell(self, signum: int = signal.SIGTERM) -> None:
        self.process.send_signal(signum)

    async def stops(self) -> None:
        """Returns when it has said that it stops."""
        async with asyncio.timeout(ENOUGH):
            await self._stopping.wait()

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        async with asyncio.timeout(ENOUGH):
            return await self.process.wait()

    async def _read(self) -> None:
        assert self.process.stderr is not None
        try:
            while line := await self.process.stderr.readline():
                try:
                    said = msgspec.json.decode(line)
                except msgspec.DecodeError:
                    raise AssertionError((line + await self.process.stderr.read()).decode()) from None
                self.log.append(said)
                if said["message"] == "started":
                    self.metrics_url, self.url = said["metrics"], said["rest"]
                    self._started.set()
                if said["message"] == "stopping":
                    self._stopping.set()
            await self.process.wait()
        finally:
            self._started.set()
