"""A child that answers what comes to a queue by the client of RabbitMQ alone: the floor of every request over it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncmy
import msgspec

from bench import amqp
from bench.child import Ask, serve
from bench.rows import Row, writer

CONNECTIONS = 16


@asynccontextmanager
async def echo(settings: dict[str, Any]) -> AsyncIterator[Ask]:
    """`url` of the broker, `queue`; with `database` (arguments of the driver) it runs the `statements` between each
    question and its answer, or writes `rows` like those of `id`."""
    async with amqp.channel(settings["url"]) as on:
        handle = await _handle(settings)
        await amqp.serve(on, settings["queue"], handle)

        async def answer(asked: Any) -> Any:
            return None

        yield answer


async def _handle(settings: dict[str, Any]) -> amqp.Handle | None:
    if "rows" in settings:
        return await writer(settings["database"], msgspec.convert(settings["rows"], list[Row]), UUID(settings["id"]))
    return await handler(settings) if "database" in settings else None


async def handler(settings: dict[str, Any]) -> amqp.Handle:
    """Statements on one of some connections of the bare driver; `{n}` in them is the number of the request."""
    free: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncmy.connect(**settings["database"], autocommit=True))
    numbers = iter(range(1 << 62))

    async def handle(body: bytes) -> bytes:
        connection = await free.get()
        number = next(numbers)
        async with connection.cursor() as cursor:
            for statement in settings["statements"]:
                await cursor.execute(statement.replace("{n}", str(number)))
        free.put_nowait(connection)
        return body

    return handle


if __name__ == "__main__":
    serve(echo)
