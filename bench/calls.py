"""Calls to a direct address a second, by each way of asking who rings: `make bench-calls` (needs sipp).

`python -m bench.calls mariadb` does the same on that server, which waits for the disk; `postgresql` too.
"""

import asyncio
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.ground import DurableMariaDb, DurablePostgreSql
from ringback.demo.asterisk import Asterisk
from ringback.demo.install import CACHE
from ringback.demo.ports import HOST, Ports, free_ports
from ringback.demo.programs import ASTERISK
from ringback.demo.server import Server
from ringback.kit.dsn import parse_dsn
from ringback.sip.config import AsteriskOptions
from ringback.sip.odbc import sqlite_url
from tests.live.tables import Tables

CALLS: Final = 1500
AT_ONCE: Final = 20
ROUNDS: Final = 3
PACE: Final = 100
"""Calls a second of the run that looks whether records keep up."""
WAYS: Final = {
    "nobody: `Dial` alone": "none",
    "the database, `--routing odbc`": "odbc",
    "the same, without records of calls": "quiet",
    "`call-manager`, `--routing agi`": "agi",
}
SERVERS: Final = {"mariadb": DurableMariaDb, "postgresql": DurablePostgreSql}
OFF: Final = "[general]\nenable=no\n"

Sql = Callable[..., list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Ground:
    """A Ringback, and how an Asterisk and others reach its database."""

    server: Server
    options: Callable[[Ports], AsteriskOptions]
    sql: Sql

    def waiting(self) -> int:
        """Events of calls that have not been taken."""
        return int(self.sql("SELECT count(*) FROM ringback_channel_events")[0][0])


async def sipp(*words: str) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        "sipp", *words, "-i", HOST, "-nostdin", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    if await process.wait():
        raise SystemExit(f"sipp failed ({process.returncode}): {' '.join(words)}")
    return time.monotonic() - began


@asynccontextmanager
async def callee(port: int) -> AsyncIterator[None]:
    """Answers every call there, while inside."""
    process = await asyncio.create_subprocess_exec(
        "sipp", "-sn", "uas", "-i", HOST, "-p", str(port), "-nostdin",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def asterisk(ground: Ground, folder: Path, way: str, agi: str, endpoint: str) -> AsyncIterator[str]:
    """One of its own, while inside: where it is called."""
    ports = Ports.find()
    options = replace(ground.options(ports), agi=agi if way == "agi" else "")
    dial = f"[direct]\nexten => _direct.!,1,Dial(PJSIP/{endpoint})\n"
    more = {"none": {"extensions.conf": dial}, "quiet": {"cel.conf": OFF}}.get(way, {})
    async with await Asterisk.start(ASTERISK.obtain(Path(CACHE)), options, folder, more):
        yield ports.public_at


async def calls(at: str, called: str, count: int, rate: int) -> float:
    """Calls a second, each answered and ended at once."""
    limits = ("-m", str(count), "-l", str(AT_ONCE), "-r", str(rate), "-d", "0", "-p", str(free_ports(1)[0]))
    return count / await sipp("-sn", "uac", "-s", called, *limits, at)


async def most_waiting(ground: Ground, calling: asyncio.Task[float]) -> int:
    """The most events that have waited at any time of those calls."""
    most = 0
    while not calling.done():
        most = max(most, await asyncio.to_thread(ground.waiting))
        await asyncio.wait([calling], timeout=0.1)
    return most


@asynccontextmanager
async def on_a_file(folder: Path, agi: str) -> AsyncIterator[Ground]:
    async with await Server.start(folder / "home", agi_listen_address=agi) as server:

        def sql(text: str, *values: object) -> list[tuple[Any, ...]]:
            with closing(sqlite3.connect(server.database, isolation_level=None, timeout=10)) as connection:
                return connection.execute(text, values).fetchall()

        yield Ground(server, lambda ports: ports.options(sqlite_url(server.database)), sql)


@asynccontextmanager
async def on_a_server(engine: str, folder: Path, agi: str) -> AsyncIterator[Ground]:
    with ExitStack() as stack:
        tables = stack.enter_context(Tables.on(stack.enter_context(SERVERS[engine].private()), stock=False))
        own, theirs = map(parse_dsn, tables.for_asterisk())
        dsns = dict(zip(("database_dsn_bin", "database_dsn_asterisk"), tables.dsns(), strict=True))
        async with await Server.start(folder / "home", agi_listen_address=agi, **dsns) as server:
            yield Ground(server, lambda ports: ports.options(theirs, own), tables.sql)


async def main(engine: str, tell: Callable[[str], object]) -> None:
    """A table of the best of some rounds, with the ways in turn; and whether records keep up."""
    if not shutil.which("sipp"):
        raise SystemExit("sipp is not installed (Debian: sip-tester)")
    port, asked = free_ports(2)
    agi = f"{HOST}:{asked}"
    with tempfile.TemporaryDirectory(prefix="ringback-calls-") as name:
        folder = Path(name)
        ground_of = on_a_server(engine, folder, agi) if engine else on_a_file(folder, agi)
        async with ground_of as ground, callee(port):
            asking = {"customer_id": str(ground.server.keys.customer_id), "extension": "1", "direct": True}
            made = (await ground.server.rpc("POST", "/v1/extensions", asking)).body
            endpoint, called = made["endpoint_id"], f"direct.{made['direct_hash']}"
            ground.sql(
                "INSERT INTO ps_contacts (id, uri, expiration_time, endpoint) VALUES (?, ?, 4000000000, ?)",
                *(f"{endpoint}^3B@0", f"sip:callee@{HOST}:{port}", endpoint),  # as Asterisk would have written it
            )
            best = dict.fromkeys(WAYS.values(), 0.0)
            for number in range(ROUNDS):
                for way in best:
                    async with asterisk(ground, folder / f"{way}{number}", way, agi, endpoint) as at:
                        best[way] = max(best[way], await calls(at, called, CALLS, 2000))
            async with asterisk(ground, folder / "pace", "odbc", agi, endpoint) as at:
                calling = asyncio.create_task(calls(at, called, 10 * PACE, PACE))
                most = await most_waiting(ground, calling)
                pace = await calling
    tell("| who is asked | calls/s | of the first |\n|---|---|---|")
    for text, way in WAYS.items():
        tell(f"| {text} | {best[way]:.0f} | {best[way] / best['none']:.0%} |")
    tell(f"\nAt {pace:.0f} calls/s at most {most} events of calls waited to be taken.")


if __name__ == "__main__":
    asyncio.run(main("".join(sys.argv[1:]), lambda text: sys.stdout.write(f"{text}\n")))
