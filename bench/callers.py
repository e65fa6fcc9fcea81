"""A child that asks over RabbitMQ: the envelopes of a file, again and again, as fast as told or at a rate."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.amqp import Caller, channel
from bench.child import Ask, serve
from bench.load import closed, offered

CODE = re.compile(rb'^\{"status_code":(\d+)')


@asynccontextmanager
async def callers(settings: dict[str, Any]) -> AsyncIterator[Ask]:
    """`url` of the broker. Lines: `queue`, `envelopes` (a file, one a line), `first` of them, `seconds`, and either
    `in_flight`, with or without `times`, or `rate`."""
    async with channel(settings["url"]) as on:
        caller = Caller(on)
        await caller.start()

        async def answer(asked: dict[str, Any]) -> Any:
            envelopes = Path(asked["envelopes"]).read_bytes().splitlines()
            queue, first, seconds = asked["queue"], asked.get("first", 0), asked["seconds"]

            async def one(number: int) -> str:
                reply = await caller.ask(queue, envelopes[number % len(envelopes)])
                code = CODE.match(reply)
                return code[1].decode() if code else "echo"

            if "rate" in asked:
                return (await offered(one, asked["rate"], seconds, first)).document()
            times = asked.get("times", 1 << 62)
            return (await closed(one, asked["in_flight"], seconds, first, times)).document()

        yield answer


if __name__ == "__main__":
    serve(callers)
