"""`make try-servers`: what it prints is typed as it is, on both engines, and nothing is left of it."""

import asyncio
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.house import ROOT
from tests.live.conftest import until
from tests.patience import ENOUGH
from tests.servers.keeper import descendants
from tests.test_readme import MAKE

pytestmark = pytest.mark.process

PYTHON = (sys.executable, "-m", "tests.servers", "--stay")
ENGINES = ("MariaDB", "PostgreSQL")
CHECKS = dict.fromkeys(("database_bin", "database_asterisk", "broker", "redis"), "ok")


@asynccontextmanager
async def started(*command: str, signum: int) -> AsyncIterator[str]:
    """What it says, while it is up; stopped by that signal, as a terminal sends it."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(120):
            said = (await process.stdout.readuntil(b"Ctrl-C here")).decode()
        below = descendants(process.pid)
        assert len(below) >= 8  # four servers, each with its keeper
        yield said
        os.killpg(process.pid, signum)
        async with asyncio.timeout(ENOUGH):
            rest = (await process.stdout.read()).decode()
            code = await process.wait()
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)

    assert rest.endswith("All four are stopped, and their data are gone.\n")
    assert code == (0 if command == PYTHON else -signum)  # make ends by the signal, as its caller expects
    assert [pid for pid in below if Path(f"/proc/{pid}").exists()] == []


async def test_nothing_is_left_of_them_after_ctrl_c() -> None:
    async with started(*shlex.split(f"{MAKE}try-servers"), signum=signal.SIGINT):
        pass


async def test_what_it_prints_leads_to_servers_that_serve_and_nothing_is_left_of_them(tmp_path: Path) -> None:
    async with started(*PYTHON, signum=signal.SIGTERM) as said, httpx.AsyncClient(timeout=ENOUGH) as http:
        installations = [await typed(said, engine, tmp_path) for engine in ENGINES]
        for process, address in installations:
            try:
                await until(lambda address=address: ready(http, address))  # type: ignore[misc]
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(ENOUGH):
                    assert await process.wait() == 0
            finally:
                if process.returncode is None:
                    process.kill()


async def typed(said: str, engine: str, home: Path) -> tuple[asyncio.subprocess.Process, str]:
    """The commands that it prints for an engine, and where the metrics are of what they start."""
    settings = re.search(rf"^# {engine}\n(export .*)$", said, re.MULTILINE)
    commands = re.search(r"^\.venv/bin/ringback .*\n\.venv/bin/registrar-manager .*$", said, re.MULTILINE)
    assert settings
    assert commands
    at = re.search(r"PROMETHEUS_LISTEN_ADDRESS='(.*?)'", settings[1])
    assert at
    assert "curl -s http://$PROMETHEUS_LISTEN_ADDRESS/ready" in said
    text = f"{settings[1]}\n{commands[0]}".replace(".venv/bin/registrar-manager", "exec .venv/bin/registrar-manager")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return await asyncio.create_subprocess_exec("bash", "-ec", text, cwd=ROOT, env=environment), at[1]


async def ready(http: httpx.AsyncClient, address: str) -> bool:
    try:
        answer = await http.get(f"http://{address}/ready")
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and answer.json()["checks"] == CHECKS
