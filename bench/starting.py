"""M-9: `ringback up` from its start until it serves, beside the imports of what it needs of others; and its memory."""

import asyncio
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from sqlite3 import connect
from statistics import median
from typing import Any, Final

from bench.ground import Ground
from bench.processes import cpu_seconds, resident
from ringback.demo.server import Server
from ringback.router.bench.figures import Figure, Found, quantile

ROUNDS: Final = 5
MANY: Final = 1_000_000
MOST: Final = 150.0
"""MB that it may hold while nobody asks anything."""
GROWTH: Final = 1.5
"""How many times the time and the memory it may take with all these extensions."""
PASSING: Final = 10.0
"""Seconds in which it is asked for one of them while it compares all rows with Asterisk's."""
UP: Final = ("-c", "from ringback.start import ringback; ringback()", "up")
IMPORTED: Final = re.compile(rb"^import time:.*\| +(\S+)$", re.MULTILINE)
FLOOR: Final = """
import contextlib, importlib, sys
for name in {names}:
    with contextlib.suppress(ImportError):  # some are only looked for
        importlib.import_module(name)
print("ready", flush=True)
sys.stdin.read()
"""
WORD: Final = "template"
"""The number of the extension that is copied, which its rows are found and named by."""
TABLES: Final = ("registrar_extensions", "registrar_sip_auths", "ps_endpoints", "ps_aors", "ps_auths")


@dataclass(frozen=True, slots=True)
class Start:
    """How long it took until a process said its first line, and what it held then; `errors` is all that it has said."""

    seconds: float
    cpu_seconds: float
    held: int
    errors: bytes


async def measure(ground: Ground) -> Found:
    home = ground.folder / "started"
    words = await started(*_up(home), before=("-X", "importtime"))
    floor = ("-c", FLOOR.format(names=third(IMPORTED.findall(words.errors))))
    sides: dict[str, list[Start]] = {"imports": [], "first": [], "later": [], "filled": []}
    rounds = range(ROUNDS if ground.share >= 1 else 1)
    for number in rounds:
        sides["imports"].append(await started(*floor))
        sides["first"].append(await started(*_up(ground.folder / f"home{number}")))
        sides["later"].append(await started(*_up(home)))
    count = await _filled(ground, home)
    for _ in rounds:
        sides["filled"].append(await started(*_up(home)))
    details: dict[str, Any] = {
        name: {
            "seconds": median(one.seconds for one in starts),
            "cpu_seconds": median(one.cpu_seconds for one in starts),
            "mb": median(one.held for one in starts) / 1e6,
        }
        for name, starts in sides.items()
    }
    details["passing"] = await _passing(ground, home)
    return Found(list(_figures(count, details)), {"M-9": details})


def _figures(count: int, details: dict[str, Any]) -> Iterable[Figure]:
    floor, first, later, filled = (details[name] for name in ("imports", "first", "later", "filled"))
    for what, side in (("its first start", first), ("a later start", later)):
        seconds, text = side["seconds"], f"s until it serves, {what}"
        yield Figure("M-9", text, seconds, "", "<=", 2, floor["seconds"], "imports", of_floor=True)
    yield Figure("M-9", "MB resident, idle", later["mb"], "MB", "<", MOST)
    text, grown = f"s until it serves, {count:,} extensions", filled["seconds"]
    yield Figure("M-9", text, grown, "", "<=", GROWTH, later["seconds"], "without any", of_floor=True)
    text, most = f"MB at most while {count:,} are compared", details["passing"]["most_mb"]
    yield Figure("M-9", text, most, "", "<=", GROWTH, later["mb"], "without any", of_floor=True)


def third(names: Sequence[bytes]) -> list[str]:
    """Those modules that are neither ours nor Python's, in the order in which they were imported."""
    theirs = packages_distributions().keys() - {"ringback"}
    return [name for name in map(bytes.decode, names) if name.partition(".")[0] in theirs]


def _up(home: Path) -> tuple[str, ...]:
    ports = ("--rest_listen_address=127.0.0.1:0", "--prometheus_listen_address=127.0.0.1:0")
    return (*UP, f"--ringback_home={home}", *ports)


async def started(*words: str, before: Sequence[str] = ()) -> Start:
    """A Python with those words, until its first line; it is ended then."""
    pipe = asyncio.subprocess.PIPE
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *before, *words),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout
    assert process.stderr
    errors = asyncio.create_task(process.stderr.read())
    line = await process.stdout.readline()
    seconds = time.perf_counter() - begun
    spent, held = cpu_seconds(process.pid), resident(process.pid)
    if process.returncode is None:
        process.terminate()
    await process.wait()
    assert line, (await errors).decode()[-2000:]
    return Start(seconds, spent, held, await errors)


async def _filled(ground: Ground, home: Path) -> int:
    """Put so many copies of one extension into its file."""
    async with await Server.start(home) as server:
        made = await server.rest("POST", "/v1.0/extensions", {"extension": WORD})
        assert made.status == 201, made
    ground.tell(f"filling a file with {ground.amount(MANY):,} extensions")
    await asyncio.to_thread(fill, server.database, ground.amount(MANY))
    return ground.amount(MANY)


def fill(file: Path, count: int) -> None:
    """So many copies of each row of the extension of that number: their ids are texts of sixteen digits."""
    with closing(connect(file)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for table in TABLES:
            names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
            values = ", ".join(map(_copied, names))
            which = f"replace({'extension' if table == TABLES[0] else 'username'}, '{WORD}', '') = ''"
            if table.startswith("ps_"):
                which = f"one.id LIKE '{WORD}@%'"
            connection.execute(
                f"INSERT INTO {table} ({', '.join(names)}) WITH RECURSIVE seq(n) AS "
                f"(SELECT 1 UNION ALL SELECT n + 1 FROM seq LIMIT {count}) "
                f"SELECT {values} FROM {table} AS one, seq WHERE {which}"
            )
            connection.commit()


def _copied(name: str) -> str:
    """What a column has in a copy."""
    text = f"replace(one.{name}, '{WORD}', 1000000 + n)"
    id = "CAST(printf('%016d', n) AS BLOB)" if name == "id" else f"one.{name}"
    return f"CASE typeof(one.{name}) WHEN 'text' THEN {text} WHEN 'blob' THEN {id} ELSE one.{name} END"


async def _passing(ground: Ground, home: Path) -> dict[str, Any]:
    """How it answers after its start, and the most that it holds, while it compares all rows."""
    ms: list[float] = []
    most = 0
    async with await Server.start(home) as server:
        until = time.perf_counter() + ground.seconds(PASSING)
        while (begun := time.perf_counter()) < until:
            found = await server.rest("GET", "/v1.0/extensions?page_size=1")
            assert found.status == 200, found
            ms.append((time.perf_counter() - begun) * 1000)
            most = max(most, resident(server.pid))
    return {"most_mb": most / 1e6, "count": len(ms), "p50_ms": quantile(ms, 0.5), "p99_ms": quantile(ms, 0.99)}
