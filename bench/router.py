"""M-8: what the registry of router extensions and its pipelines promise, T-1 to T-9, on every engine."""

import asyncio
import os
import subprocess
from contextlib import ExitStack
from typing import Any

import msgspec

from bench.ground import DurableMariaDb, DurablePostgreSql, Ground
from tests.live.bench import COMMAND
from tests.servers.nats import QuietNats

SECONDS = 60.0
CHANGES = 500


async def runs(ground: Ground) -> list[dict[str, Any]]:
    """What `router-control bench all` has found on SQLite, PostgreSQL and MariaDB, as its JSON has it."""
    return await asyncio.to_thread(_runs, ground)


def _runs(ground: Ground) -> list[dict[str, Any]]:
    found = ground.folder / "router.json"
    with ExitStack() as stack:
        servers = [stack.enter_context(kind.private()) for kind in (DurablePostgreSql, DurableMariaDb)]
        nats = stack.enter_context(QuietNats.private())
        databases = [stack.enter_context(server.database()) for server in servers]
        places = " ".join(["sqlite", *(database.dsn for database in databases)])
        sizes = ("--seconds", str(ground.seconds(SECONDS)), "--changes", str(ground.amount(CHANGES)))
        more = {"BENCH_ON": places, "NATS_ADDRESS": nats.url, "NATS_USER": nats.USER, "NATS_PASSWORD": nats.password}
        words = (*COMMAND, "all", "--json", str(found), *sizes)
        subprocess.run(words, env={**os.environ, **more}, check=False, stdout=subprocess.DEVNULL)
    return list(msgspec.json.decode(found.read_bytes())["runs"])
