"""M-7: many extensions imported over REST, beside inserts of many rows of what that leaves, by the bare driver."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.request import Request, urlopen

import asyncmy
import msgspec

from bench.content import COLUMNS
from bench.ground import Ground, Site
from bench.processes import resident, spending
from ringback.demo.server import Server
from ringback.router.bench.figures import Figure, Found
from tests.servers.database import Database

COUNT: Final = 100_000
FEW: Final = 10
"""How many times fewer the smaller file has, beside which the memory is looked at."""
TOGETHER: Final = 1_000
"""Rows that the floor inserts at once, and commits."""
LOOKING: Final = 0.1
"""Seconds between two looks at the memory."""
FLAT: Final = 1.5
"""How many times the memory of the smaller file the larger one may take."""
OWN: Final = ("registrar_extensions", "registrar_sip_auths", "ringback_audit", "registrar_outbox")
THEIRS: Final = ("ps_aors", "ps_auths", "ps_endpoints")

ORDER: Final = {"registrar_extensions": "extension", "registrar_sip_auths": "username"}
"""What the rows were made in the order of, where that is not their id."""


@dataclass(frozen=True, slots=True)
class Done:
    """What an import came to, or its floor."""

    rows: int
    seconds: float
    cpu_us_each: dict[str, float]
    bytes: int = 0
    """The most that the service held meanwhile."""
    inserted: int = 0
    """Rows of all tables, of the floor."""

    @property
    def a_second(self) -> float:
        return self.rows / self.seconds

    def document(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "rows": self.rows,
            "seconds": self.seconds,
            "a_second": self.a_second,
            "cpu_us_each": self.cpu_us_each,
            "most_mb": self.bytes / 1e6,
            "inserted": self.inserted,
        }


async def measure(ground: Ground) -> Found:
    details: dict[str, Any] = {}
    sizes = [ground.amount(COUNT // FEW), ground.amount(COUNT)]
    ours, floors = list[Done](), list[Done]()
    for size in sizes:
        site = await ground.empty_site()
        async with _server(ground, site, f"home{size}") as server:
            ours.append(await _imported(ground, server, size))
        floors.append(await _inserted(ground, site, await ground.empty_site(), size))
        details |= {f"ringback_{size}": ours[-1].document(), f"driver_{size}": floors[-1].document()}
    few, many = ours
    what = "rows a second, all tables of each"
    by = "inserts by the driver"
    rate = Figure("M-7", what, many.a_second, "", ">=", 0.4, floors[-1].a_second, by, of_floor=True)
    what, file = f"MB at most, {many.rows:,} rows", f"{few.rows:,} rows"
    most = Figure("M-7", what, many.bytes / 1e6, "", "<=", FLAT, few.bytes / 1e6, file, of_floor=True)
    return Found([rate, most], {"M-7": details})


@asynccontextmanager
async def _server(ground: Ground, site: Site, home: str) -> AsyncIterator[Server]:
    """All of Ringback on the databases of a site; nobody else asks it."""
    async with await Server.start(ground.folder / home, **site.settings, reconcile_interval="3600") as server:
        yield server


async def _imported(ground: Ground, server: Server, size: int) -> Done:
    lines = (f"{1_000_000 + number},Phone {number},Sample-Pass-{number:06}" for number in range(size))
    file = "\n".join(["extension,name,password", *lines]).encode()
    database = (await ground.mariadb()).pid
    with spending({"service": server.pid, "database": database}) as spent:
        begun = time.perf_counter()
        asking = asyncio.create_task(asyncio.to_thread(_uploaded, server, file))
        most = resident(server.pid)
        while not (await asyncio.wait({asking}, timeout=LOOKING))[0]:
            most = max(most, resident(server.pid))
        seconds = time.perf_counter() - begun
    answer = await asking
    assert answer["created"] == size, answer
    return Done(size, seconds, spent.us_each(size), most)


def _uploaded(server: Server, file: bytes) -> Any:
    request = Request(f"{server.url}/v1.0/extensions:import", file)
    request.add_header("Authorization", f"Bearer {server.keys.customer_key}")
    request.add_header("Content-Type", "text/csv")
    with urlopen(request, timeout=900) as answer:
        return msgspec.json.decode(answer.read())


async def _inserted(ground: Ground, of: Site, into: Site, size: int) -> Done:
    """The same rows in another database."""
    tables = [_left(*one, size) for one in _tables(of, into)]
    connection = await asyncmy.connect(**into.driver(), autocommit=False, stmt_cache_size=len(tables))
    with spending({"database": (await ground.mariadb()).pid}) as spent:
        began, busy = time.perf_counter(), time.process_time()
        inserted = 0
        async with connection.cursor() as cursor:
            for first in range(0, size, TOGETHER):
                for text, rows in tables:
                    inserted += await cursor.executemany(text, rows[first : first + TOGETHER]) or 0
                await connection.commit()
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
    await connection.ensure_closed()
    return Done(size, seconds, {"driver": busy / size * 1e6, **spent.us_each(size)}, inserted=inserted)


def _tables(of: Site, into: Site) -> Iterator[tuple[Database, Database, str]]:
    yield from ((of.own, into.own, name) for name in OWN)
    yield from ((of.asterisk, into.asterisk, name) for name in THEIRS)


def _left(of: Database, into: Database, table: str, size: int) -> tuple[str, list[tuple[Any, ...]]]:
    """A statement that inserts into the table, and the rows of the other one: the columns that have anything."""
    names = [name for name, *_ in of.execute(COLUMNS, of.name, of.name, table)]
    counts = of.execute(f"SELECT {', '.join(f'count(`{name}`)' for name in names)} FROM `{table}`")[0]
    kept = [f"`{name}`" for name, count in zip(names, counts, strict=True) if count]
    last = f"ORDER BY {ORDER.get(table, 'id')} DESC LIMIT {size}"
    rows = of.execute(f"SELECT {', '.join(kept)} FROM `{table}` {last}")[::-1]
    assert len(rows) == size, (table, len(rows))
    values = ", ".join(["%s"] * len(kept))
    return f"INSERT INTO `{into.name}`.`{table}` ({', '.join(kept)}) VALUES ({values})", rows
