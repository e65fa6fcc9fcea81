"""A stream that is one item ahead: the next one is in the making while whoever asks works on the last."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


@asynccontextmanager
async def ahead(items: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """The same items; what is in the making at the end is given up. A failure comes in its place in the order."""
    making = asyncio.ensure_future(anext(items))

    async def each() -> AsyncIterator[T]:
        nonlocal making
        while True:
            try:
                one = await making
            except StopAsyncIteration:
                return
            making = asyncio.ensure_future(anext(items))
            yield one

    try:
        yield each()
    finally:
        making.cancel()
        await asyncio.gather(making, return_exceptions=True)
