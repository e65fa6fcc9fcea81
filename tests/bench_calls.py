"""Calls to a direct address a second, by each way of asking who rings: `python -m tests.bench_calls` (needs sipp)."""

import asyncio
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Final

from ringback.demo.asterisk import Asterisk
from ringback.demo.install import CACHE
from ringback.demo.ports import HOST, Ports, free_ports
from ringback.demo.programs import ASTERISK
from ringback.demo.server import Server
from ringback.sip.odbc import sqlite_url

CALLS: Final = 1500
AT_ONCE: Final = 20
ROUNDS: Final = 3
WAYS: Final = {"nobody is asked: Dial alone": "none", "the database: func_odbc": "odbc", "call-manager: FastAGI": "agi"}


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


async def measured(server: Server, folder: Path, way: str, agi: str, called: str, endpoint: str) -> float:
    """Calls a second at an Asterisk of its own: answered and ended at once."""
    ports = Ports.find()
    options = replace(ports.options(sqlite_url(server.database)), agi=agi if way == "agi" else "")
    dial = f"[direct]\nexten => _direct.!,1,Dial(PJSIP/{endpoint})\n"
    more = {"extensions.conf": dial} if way == "none" else {}
    async with await Asterisk.start(ASTERISK.obtain(Path(CACHE)), options, folder, more):
        limits = ("-m", str(CALLS), "-l", str(AT_ONCE), "-r", "2000", "-d", "0", "-p", str(free_ports(1)[0]))
        return CALLS / await sipp("-sn", "uac", "-s", called, *limits, ports.public_at)


async def main(tell: Callable[[str], object]) -> None:
    """A table of the best of some rounds, with the ways in turn."""
    if not shutil.which("sipp"):
        raise SystemExit("sipp is not installed (Debian: sip-tester)")
    port, asked = free_ports(2)
    agi = f"{HOST}:{asked}"
    with tempfile.TemporaryDirectory(prefix="ringback-calls-") as name:
        folder = Path(name)
        async with await Server.start(folder / "home", agi_listen_address=agi) as server, callee(port):
            customer = str(server.keys.customer_id)
            made = await server.rpc(
                "POST", "/v1/extensions", {"customer_id": customer, "extension": "1", "direct": True}
            )
            endpoint, called = made.body["endpoint_id"], f"direct.{made.body['direct_hash']}"
            contact(server, endpoint, port)
            best = dict.fromkeys(WAYS.values(), 0.0)
            for number in range(ROUNDS):
                for way in best:
                    found = await measured(server, folder / f"{way}{number}", way, agi, called, endpoint)
                    best[way] = max(best[way], found)
    tell("| who is asked | calls/s | of the first |\n|---|---|---|")
    for text, way in WAYS.items():
        tell(f"| {text} | {best[way]:.0f} | {best[way] / best['none']:.0%} |")


def contact(server: Server, endpoint: str, port: int) -> None:
    """As Asterisk would have written it."""
    with closing(sqlite3.connect(server.database, isolation_level=None, timeout=10)) as connection:
        connection.execute(
            "INSERT INTO ps_contacts (id, uri, expiration_time, endpoint) VALUES (?, ?, 4000000000, ?)",
            (f"{endpoint}^3B@0", f"sip:callee@{HOST}:{port}", endpoint),
        )


if __name__ == "__main__":
    asyncio.run(main(lambda text: sys.stdout.write(f"{text}\n")))
