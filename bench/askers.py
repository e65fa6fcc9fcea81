"""A child that asks over HTTP: some paths again and again, on connections that are kept, as fast as answers come."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bench import http
from bench.child import Ask, serve
from bench.load import closed


@asynccontextmanager
async def askers(settings: Any) -> AsyncIterator[Ask]:
    """Lines: `url`, `key` (or none), `paths`, `in_flight`, `seconds`."""

    async def answer(asked: dict[str, Any]) -> Any:
        requests = [http.get(asked["url"], path, asked["key"]) for path in asked["paths"]]
        async with http.connections(asked["url"], asked["in_flight"]) as free:

            async def one(number: int) -> str:
                connection = free.pop()
                came = await connection.ask(requests[number % len(requests)])
                free.append(connection)
                return http.code_of(came)

            return (await closed(one, asked["in_flight"], asked["seconds"])).document()

    yield answer


if __name__ == "__main__":
    serve(askers)
