"""Router extensions of a benchmark in a process of their own, which do nothing, at once or after a while.

A line of JSON leads it, its settings and what it serves; it answers with a line when it serves that, and goes on until
nobody says anything any more.
"""

import asyncio
import sys
from typing import Any

import msgspec
import uvloop

from ringback.brokers import nats_of
from ringback.kit import log
from ringback.kit.bus import Letter, Serve
from ringback.knobs import load
from ringback.router.writing import PUBLISHER


class Served(msgspec.Struct):
    """What is served on a subject: a reply, after so many milliseconds."""

    subject: str
    reply: Any
    latency_ms: float = 0


class Leading(msgspec.Struct):
    """What a line says: settings, and what is served."""

    settings: dict[str, Any]
    served: list[Served]


def serving(one: Served) -> Serve:
    """Answers without a look at what is asked."""
    reply = Letter(msgspec.json.encode(one.reply))

    async def serve(asked: Letter) -> Letter:
        if one.latency_ms:
            await asyncio.sleep(one.latency_ms / 1000)
        return reply

    return serve


async def run() -> None:
    """Until nobody says anything any more."""
    said = msgspec.json.decode(sys.stdin.readline(), type=Leading)
    log.set_up(PUBLISHER, "error", "console")
    link = nats_of(load(said.settings))
    assert link
    await link.start()
    try:
        for one in said.served:
            await link.services().serve("bench", one.subject, serving(one))
        print("{}", flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.readline)
    finally:
        await link.close()


if __name__ == "__main__":
    uvloop.run(run())
