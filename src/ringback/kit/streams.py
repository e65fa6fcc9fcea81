"""Long ordered reads a chunk at a time, alone, or with what belongs to each item elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from ringback.kit.db import CHUNK
from ringback.kit.uow import UnitOfWork, Work

T = TypeVar("T")
L = TypeVar("L")
R = TypeVar("R")
U = TypeVar("U", bound=UnitOfWork)


Fetch = Callable[[U, Any], Awaitable[list[T]]]
"""Gives at most `CHUNK` items behind a key, in the order of their keys, whichever order that is."""


async def chunks(work: Work[U], fetch: Fetch[U, T], key: Callable[[T], Any], after: Any) -> AsyncIterator[list[T]]:
    """All that `fetch` gives behind `after`, a few at a time."""
    items: list[T] = []
    while not items or len(items) == CHUNK:
        start = key(items[-1]) if items else after
        items = await work.read(lambda uow, start=start: fetch(uow, start))  # type: ignore[misc]
        if not items:
            return
        if key(items[-1]) == start:
            raise ValueError("the rows do not go on: a key is not what it is read as")
        yield items
        await asyncio.sleep(0)


async def chunked(work: Work[U], fetch: Fetch[U, T], key: Callable[[T], Any], after: Any) -> AsyncIterator[T]:
    """The same one by one."""
    async for items in chunks(work, fetch, key, after):
        for item in items:
            yield item


async def paired(
    work: Work[U],
    parts: AsyncIterator[list[T]],
    key: Callable[[T], Any],
    partners: Callable[[U, list[Any]], Awaitable[Mapping[Any, R]]],
) -> AsyncIterator[tuple[T, R | None]]:
    """Each item of the chunks with its partner, if it has one; `partners` finds those of up to `CHUNK` keys."""
    async for items in parts:
        keys = [key(item) for item in items]
        found = await work.read(lambda uow, keys=keys: partners(uow, keys))  # type: ignore[misc]
        for item, its in zip(items, keys, strict=True):
            yield item, found.get(its)
