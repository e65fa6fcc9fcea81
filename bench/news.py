"""A child that hears the events of an exchange, and how old each of them is when it comes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final

import msgspec

from bench.amqp import channel, done
from bench.child import Ask, serve
from ringback.router.bench.figures import spread

PATIENCE: Final = 60.0
"""Seconds after which an event that has not come is lost."""


@asynccontextmanager
async def news(settings: dict[str, Any]) -> AsyncIterator[Ask]:
    """`url` of the broker, `exchange`. Each line is answered with the events since the line before, how old in ms,
    once there are so many as its `count`."""
    ages: list[float] = []
    came = asyncio.Event()

    def hear(_: Any, __: Any, ___: Any, body: bytes) -> None:
        made = msgspec.json.decode(body)["data"]["tm_create"]
        ages.append((time.time() - datetime.fromisoformat(made).timestamp()) * 1000)
        came.set()

    async with channel(settings["url"]) as on:
        queue = (await done(on.queue_declare, "", exclusive=True)).method.queue
        await done(on.exchange_declare, settings["exchange"], "fanout", durable=True)
        await done(on.queue_bind, queue, settings["exchange"])
        await done(on.basic_consume, queue, hear, auto_ack=True)

        async def answer(asked: Any) -> Any:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    while len(ages) < asked["count"]:
                        came.clear()
                        await came.wait()
            found = {"count": len(ages), "ms": spread(ages) if ages else None}
            ages.clear()
            return found

        yield answer


if __name__ == "__main__":
    serve(news)
