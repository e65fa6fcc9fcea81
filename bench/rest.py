"""M-3: one extension asked for over REST, with a key, rights and limits, beside bare Litestar and bare ASGI."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import httpx
import msgspec

from bench.bare import MADE, PLACE
from bench.child import Running, child
from bench.ground import Ground
from bench.processes import spending
from bench.sides import middle
from ringback.router.bench.figures import Figure, Found
from tests.live.daemon import environment

KNOWN: Final = 100
"""Extensions that are asked for, in turn."""
IN_FLIGHT: Final = 16
ROUNDS: Final = 5
SECONDS: Final = 2.0
MANY: Final = 1_000_000
"""Requests a second that a key may send: it is counted, and never refused."""
UP: Final = (str(Path(sys.executable).parent / "ringback"), "up")
FREE: Final = {"rest_listen_address": "127.0.0.1:0", "prometheus_listen_address": "127.0.0.1:0"}
OPEN: Final = {"rest_rate_limit": MANY, "rest_rate_burst": MANY}


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that are compared: where it answers what, to whom, and the processes that work for it."""

    url: str
    key: str
    paths: list[str]
    pids: Mapping[str, int]

    async def load(self, askers: Running, seconds: float) -> dict[str, Any]:
        """What so many seconds of load came to, and what each process spent for one request."""
        asked = {"url": self.url, "key": self.key, "paths": self.paths, "in_flight": IN_FLIGHT, "seconds": seconds}
        with spending({**self.pids, "askers": askers.pid}) as spent:
            found = await askers.ask(**asked)
        assert set(found["came"]) == {"200"}, found["came"]
        return {**found, "cpu_us_each": spent.us_each(found["count"])}


async def measure(ground: Ground) -> Found:
    async with AsyncExitStack() as stack:
        askers = await stack.enter_async_context(child("bench.askers"))
        mariadb = (await ground.mariadb()).pid
        settings = (await ground.empty_site()).settings
        sides = {"ringback": await stack.enter_async_context(ringback(ground))}
        sides |= {by: await stack.enter_async_context(floor(by)) for by in MADE}
        sides["ringback_mariadb"] = await stack.enter_async_context(ringback(ground, {"database": mariadb}, **settings))
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
        for side in sides.values():
            await side.load(askers, 0.5)
        for _ in range(ROUNDS):
            for name, side in sides.items():
                rounds[name].append(await side.load(askers, ground.seconds(SECONDS)))
    details = {name: middle(some) for name, some in rounds.items()}
    rate = {name: found["a_second"] for name, found in details.items()}
    return Found([figure(rate, "litestar", 0.6), figure(rate, "asgi", None)], {"M-3": details})


def figure(rate: Mapping[str, float], floor: str, limit: float | None) -> Figure:
    """Our rate beside that of a floor; what is only shown has no limit."""
    what = f"a second, {IN_FLIGHT} in flight, beside {floor}"
    return Figure("M-3", what, rate["ringback"], "", ">=", limit, rate[floor], floor, of_floor=True)


@asynccontextmanager
async def floor(by: str) -> AsyncIterator[Side]:
    """Bare, by one of `bench.bare`."""
    async with child("bench.bare", by=by) as running:
        url = (await running.ask())["url"]
        yield Side(url, "", [f"{PLACE}/b1d7c2aa-0f35-4c0e-8a66-5d0c9b7e4f21"], {"service": running.pid})


@asynccontextmanager
async def ringback(ground: Ground, pids: Mapping[str, int] = {}, **settings: object) -> AsyncIterator[Side]:
    """`ringback up` with some extensions and the key of their customer; its log goes to a file."""
    home = Path(mkdtemp(dir=ground.folder))
    wanted = environment({"ringback_home": home, **FREE, **OPEN, **settings})
    log = os.open(home / "log", os.O_WRONLY | os.O_CREAT)
    process = await asyncio.create_subprocess_exec(*UP, env=wanted, stdout=asyncio.subprocess.PIPE, stderr=log)
    os.close(log)
    try:
        assert process.stdout
        while b"Ctrl-C" not in (line := await process.stdout.readline()):
            assert line, (home / "log").read_text()
        keys = msgspec.json.decode((home / "keys.json").read_bytes())
        url, key = keys["url"], keys["customer_key"]
        yield Side(url, key, await extensions(url, key), {"service": process.pid, **pids})
    finally:
        process.terminate()
        await process.communicate()


async def extensions(url: str, key: str) -> list[str]:
    """The paths of some that were made."""
    paths = []
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}) as http:
        for number in range(KNOWN):
            made = await http.post(PLACE, json={"extension": f"2{number:03}", "name": "Front desk", "direct": True})
            paths.append(f"{PLACE}/{made.raise_for_status().json()['id']}")
    return paths
