"""M-11: half of what Ringback can: no queue builds and events are soon out; and how soon it is back after others."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pika.exceptions import AMQPError

from bench.amqp import Caller, channel
from bench.child import child
from bench.ground import QUEUE, Ground, Site
from bench.processes import quiet
from bench.registrations import EXCHANGE
from ringback.router.bench.figures import Figure, Found

KNOWN: Final = 1000
READY: Final = 60_000
"""Creates that are ready to be sent."""
IN_FLIGHT: Final = 16
SECONDS: Final = 8.0
TRIED: Final = 2.0
"""Seconds in which it is seen what it can."""
PATIENCE: Final = 0.25
"""Seconds after which a request that is not answered is sent again."""
PAUSE: Final = 0.02
SUCCESS: Final = b'{"status_code":200'


async def measure(ground: Ground) -> Found:
    site = await ground.filled_site(KNOWN)
    reads, creates = _reads(ground, site), _creates(ground, site)
    broker, database = await ground.rabbitmq(), await ground.mariadb()
    details: dict[str, Any] = {}
    async with ground.registrar(site) as registrar:
        await quiet(registrar.process.pid)
        async with ground.callers() as callers, child("bench.news", url=broker.url(), exchange=EXCHANGE) as news:
            for name, envelopes in (("get", reads), ("create", creates)):
                can = await callers.ask(
                    queue=QUEUE, envelopes=str(envelopes), in_flight=IN_FLIGHT, seconds=ground.seconds(TRIED)
                )
                await news.ask(count=_told(name, can))
                half = can["a_second"] / 2
                done = await callers.ask(
                    queue=QUEUE,
                    envelopes=str(envelopes),
                    rate=half,
                    seconds=ground.seconds(SECONDS),
                    first=can["count"],
                )
                details[name] = {"capacity": can["a_second"], "offered": half, **done}
            details["events"] = await news.ask(count=_told("create", details["create"]))
        envelope = reads.read_bytes().splitlines()[0]
        for name, server in (("broker", broker), ("database", database)):
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            details[f"after_{name}"] = await _first_success(broker.url(), envelope)
    return Found(_figures(details), {"M-11": details})


def _reads(ground: Ground, site: Site) -> Path:
    assert site.content
    ids = [site.content.id(number) for number in range(1, KNOWN + 1)]
    return ground.envelopes([("GET", f"/v1/extensions/{id}", None) for id in ids])


def _creates(ground: Ground, site: Site) -> Path:
    whose = str(site.customer_id)
    asked = [{"customer_id": whose, "extension": f"{number:08d}"} for number in range(READY)]
    return ground.envelopes([("POST", "/v1/extensions", one) for one in asked])


def _told(name: str, done: dict[str, Any]) -> int:
    """How many events come of what was done."""
    return int(done["count"]) if name == "create" else 0


async def _first_success(url: str, envelope: bytes) -> float:
    """Seconds from now until a request is answered as it should be; whoever asks may be sent away, and comes again."""
    begun = time.monotonic()
    while True:
        with suppress(TimeoutError, AMQPError):
            async with channel(url) as on:
                async with asyncio.timeout(PATIENCE):
                    caller = Caller(on)
                    await caller.start()
                    while not (await caller.ask(QUEUE, envelope)).startswith(SUCCESS):  # noqa: ASYNC110
                        await asyncio.sleep(PAUSE)
                return time.monotonic() - begun
        await asyncio.sleep(PAUSE)


def _figures(details: dict[str, Any]) -> list[Figure]:
    steady = []
    for name in ("get", "create"):
        first, second = details[name]["p99_of_halves"]
        what = f"{name} at half of its capacity: p99 of the second half"
        steady.append(Figure("M-11", what, second, "ms", "<=", 2, first, "p99 of the first half", of_floor=True))
    lag = details["events"]["ms"]
    return [
        *steady,
        Figure("M-11", "create to its event at half of its capacity, p99", lag and lag["p99"], "ms", "<", 1000),
        *(
            Figure("M-11", f"first success after the {name} answers again", details[f"after_{name}"], "s", "<", 5)
            for name in ("broker", "database")
        ),
    ]
