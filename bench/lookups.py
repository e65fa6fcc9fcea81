"""M-4: direct addresses looked up over RabbitMQ, nearly all unknown, beside the echo with one indexed select."""

import hashlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from bench.content import Content
from bench.ground import QUEUE, Ground, Site
from bench.requests import rate
from bench.sides import ECHO, Side, rounds
from ringback.router.bench.figures import Figure, Found

LIVE: Final = 1_000_000
FEW: Final = 1_000
HITS: Final = 100
"""One of so many lookups finds somebody."""
ASKED: Final = 20_000
COUNTED: Final = 1_000
"""Lookups whose rows are counted."""
IN_FLIGHT: Final = 64
SECONDS: Final = 4.0
TABLES: Final = ("registrar_directs", "registrar_extensions")
SELECT: Final = "SELECT extension_id FROM registrar_directs WHERE hash = LEFT(SHA2('none{{n}}', 256), {length})"
READ: Final = """
    SELECT CAST(COALESCE(SUM(rows_read), 0) AS INTEGER)
    FROM information_schema.table_statistics
    WHERE table_schema = %s AND table_name IN %s
"""


async def measure(ground: Ground) -> Found:
    large, small = await ground.site(ground.amount(LIVE)), await ground.site(ground.amount(FEW))
    read = [await _examined(ground, site) for site in (large, small)]
    details = {**await _beside(ground, large), "rows_examined": dict(zip(("large", "small"), read, strict=True))}
    what = f"lookups a second among {ground.amount(LIVE):,}, {IN_FLIGHT} in flight"
    rows = Figure(
        "M-4",
        f"rows examined by {COUNTED:,} lookups among {ground.amount(LIVE):,}",
        read[0],
        "",
        "<=",
        1,
        read[1],
        f"among {ground.amount(FEW):,}",
        of_floor=True,
    )
    return Found([rate("M-4", what, details, "echo with one indexed select"), rows], {"M-4": details})


async def _beside(ground: Ground, site: Site) -> dict[str, Any]:
    assert site.content
    asked = _lookups(ground, site.content)
    shared = {"broker": (await ground.rabbitmq()).pid, "database": (await ground.mariadb()).pid}
    select = SELECT.format(length=site.content.hash_length)
    async with AsyncExitStack() as stack:
        registrar = await stack.enter_async_context(ground.registrar(site, alone=False))
        echo = await stack.enter_async_context(ground.echo(ECHO, database=site.driver(), statements=[select]))
        callers = await stack.enter_async_context(ground.callers())
        sides = {
            "ringback": Side(QUEUE, asked, {"service": registrar.process.pid, **shared}),
            "echo": Side(ECHO, asked, {"service": echo.pid, **shared}),
        }
        return await rounds(callers, sides, ground.seconds(SECONDS), IN_FLIGHT)


async def _examined(ground: Ground, site: Site) -> int:
    """Rows of the tables that the database has read for so many lookups, as it counts them itself."""
    assert site.content
    asked = _lookups(ground, site.content)
    site.own.execute("SET GLOBAL userstat = 1")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(ground.registrar(site, alone=False))
        callers = await stack.enter_async_context(ground.callers())
        (before,) = site.own.execute(READ, site.own.name, TABLES)
        found = await callers.ask(queue=QUEUE, envelopes=str(asked), in_flight=16, seconds=60, times=COUNTED)
        (after,) = site.own.execute(READ, site.own.name, TABLES)
    site.own.execute("SET GLOBAL userstat = 0")
    assert found["came"] == {"404": COUNTED - COUNTED // HITS, "200": COUNTED // HITS}, found
    return int(after[0] - before[0])


def _lookups(ground: Ground, content: Content) -> Path:
    """Envelopes by either way, in turn (RPC 18 and 19)."""

    def wanted(number: int) -> str:
        if number % HITS == 0:
            return content.hash(1 + number // HITS % content.count)
        return hashlib.sha256(f"none{number}".encode()).hexdigest()[: content.hash_length]

    ways = ("/v1/extension-directs?hash={}", "/v1/extensions/by-direct-hash/{}")
    return ground.envelopes([("GET", ways[number // HITS % 2].format(wanted(number)), None) for number in range(ASKED)])
