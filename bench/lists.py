"""M-5: a hundred out of all extensions of a customer, the first page and one deep down, beside the bare query."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any, Final

from bench.child import Running
from bench.ground import QUEUE, Ground, Site
from bench.sides import ECHO, Side, load, rounds
from ringback.router.bench.figures import Figure, Found

MANY: Final = 1_000_000
SIZE: Final = 100
DEEP: Final = 5000
"""The page that is deep down, where there are so many."""
IN_FLIGHT: Final = 16
SECONDS: Final = 2.0
COUNTED: Final = 100
"""Lists while statements and rows are counted."""
BARE: Final = """
    SELECT one.id, one.customer_id, name, detail, endpoint_id, aor_id, auth_id, extension, domain_name, realm, username,
           two.id, two.hash, one.tm_create, one.tm_update, one.tm_delete
    FROM registrar_extensions one {}
    LEFT JOIN registrar_directs two ON two.extension_id = one.id AND two.tm_delete IS NULL
    WHERE one.customer_id = x'{}' AND one.tm_delete IS NULL AND one.tm_create < '{}'
    ORDER BY one.tm_create DESC, one.id DESC LIMIT {}
"""
FAR: Final = datetime(9999, 1, 1)
READ: Final = ("Handler_read_key", "Handler_read_next", "Handler_read_prev", "Handler_read_rnd_next")


async def measure(ground: Ground) -> Found:
    site = await ground.site(ground.amount(MANY))
    assert site.content
    pages = {"first": FAR, f"page_{(page := min(DEEP, site.content.count // SIZE // 2)):,}": before(site, page)}
    pids = {"broker": (await ground.rabbitmq()).pid, "database": (await ground.mariadb()).pid}
    details: dict[str, Any] = {"extensions": site.content.count}
    figures = []
    async with ground.registrar(site, alone=False) as registrar, ground.callers() as callers:
        for name, moment in pages.items():
            index = "" if moment is FAR else "FORCE INDEX (idx_registrar_extensions_page)"
            bare = BARE.format(index, site.customer_id.hex, moment.isoformat(" "), SIZE)
            async with ground.echo(ECHO, database=site.driver(), statements=[bare]) as echo:
                sides = {
                    "ringback": Side(QUEUE, asked(ground, site, moment), pids | {"service": registrar.process.pid}),
                    "driver": Side(ECHO, asked(ground, site, moment), pids | {"service": echo.pid}),
                }
                found = await rounds(callers, sides, ground.seconds(SECONDS), IN_FLIGHT)
            assert found["ringback"]["came"].keys() == {"200"}, found["ringback"]["came"]
            found["ringback"]["counted"] = await counted(site, callers, sides["ringback"])
            details[name] = found
            figures += _figures(name, found)
    same = len({found["ringback"]["counted"]["statements"] for found in map(details.__getitem__, pages)}) == 1
    figures.append(Figure("M-5", "statements of the first list and of the deep one are as many", int(same), "", "=", 1))
    return Found(figures, {"M-5": details})


def before(site: Site, page: int) -> datetime:
    """The moment of the last extension on the page before that one; the one that was copied comes first of all."""
    assert site.content
    last = site.content.id((page - 1) * SIZE - 1)
    ((found,),) = site.own.execute(f"SELECT tm_create FROM registrar_extensions WHERE id = x'{last.hex}'")
    moment: datetime = found
    return moment


def asked(ground: Ground, site: Site, moment: datetime) -> Any:
    """A file with the request for the page that begins behind a moment."""
    token = "" if moment is FAR else f"&page_token={moment.replace(tzinfo=UTC).isoformat().replace('+00:00', 'Z')}"
    whose = {"customer_id": str(site.customer_id), "deleted": False}
    return ground.envelopes([("GET", f"/v1/extensions?page_size={SIZE}{token}", whose)])


async def counted(site: Site, callers: Running, side: Side, first: int = 0) -> dict[str, int]:
    """Statements of one request, and rows that the database looks at for it; what goes on besides is taken off."""
    start, begun = status(site), time.perf_counter()
    await load(callers, side, 60, in_flight=1, times=COUNTED, first=first)
    end, took = status(site), time.perf_counter() - begun
    await asyncio.sleep(took)
    idle = status(site)
    each = {name: round((2 * end[name] - start[name] - idle[name]) / COUNTED) for name in start}
    return {"statements": each["Questions"], "rows_examined": sum(each[name] for name in READ)}


def status(site: Site) -> dict[str, int]:
    """What the server counts."""
    found = dict(site.own.execute("SHOW GLOBAL STATUS"))
    return {name: int(found[name]) for name in ("Questions", *READ)}


def _figures(name: str, found: dict[str, Any]) -> list[Figure]:
    ours, floor = (found[side]["a_second"] for side in ("ringback", "driver"))
    what = f"lists of {SIZE} a second, {name.replace('_', ' ')}, {IN_FLIGHT} in flight"
    rate = Figure("M-5", what, ours, "", ">=", 0.5, floor, "bare query behind the echo", of_floor=True)
    statements = found["ringback"]["counted"]["statements"]
    return [rate, Figure("M-5", f"statements of a list, {name.replace('_', ' ')}", statements, "", "<=", 1)]
