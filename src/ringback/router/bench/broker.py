"""A NATS for a benchmark: that of the settings, else one of its own, of a program of this machine, gone with it."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from ringback.demo.children import end, spawn
from ringback.demo.ports import HOST, free_ports
from ringback.kit.errors import Unavailable
from ringback.settings import Settings

PROGRAM: Final = "nats-server"
STARTING: Final = 10.0
"""Seconds that it may take to listen."""
LEAVING: Final = 5.0
PAUSE: Final = 0.02
MISSING: Final = "no NATS: give --nats_address, or install nats-server"


class NatsSilent(Unavailable):
    """The NATS of the benchmark did not start."""

    reason = "NATS_SILENT"


@asynccontextmanager
async def nats(settings: Settings) -> AsyncIterator[str | None]:
    """Its address while inside; `None` where there is none, and no program to be one."""
    program = shutil.which(PROGRAM)
    if settings.nats_address or not program:
        yield settings.nats_address or None
        return
    (port,) = free_ports(1)
    process = await spawn([program, "--addr", HOST, "--port", str(port)], output=settings.ringback_home / "nats.log")
    try:
        await _listens(process, port)
        yield f"nats://{HOST}:{port}"
    finally:
        await end(process, LEAVING)


async def _listens(process: asyncio.subprocess.Process, port: int) -> None:
    try:
        async with asyncio.timeout(STARTING):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection(HOST, port)
                except OSError:
                    await asyncio.sleep(PAUSE)
                else:
                    return writer.close()
    except TimeoutError:
        pass
    raise NatsSilent
