"""Long ordered reads a chunk at a time, and two of them side by side."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

from ringback.kit.uow import UnitOfWork, Work

T = TypeVar("T")
L = TypeVar("L")
R = TypeVar("R")
U = TypeVar("U", bound=UnitOfWork)

CHUNK: Final = 500
"""Rows of one read."""


async def chunked(
    work: Work[U], fetch: Callable[[U, Any], Awaitable[list[T]]], key: Callable[[T], Any], after: Any
) -> AsyncIterator[T]:
    """All that `fetch` gives behind `after`, in the order of their keys; it gives at most `CHUNK` at a time."""
    items: list[T] = []
    while not items or len(items) == CHUNK:
        start = key(items[-1]) if items else after
        items = await work.read(lambda uow, start=start: fetch(uow, start))  # type: ignore[misc]
        if not items:
            return
        if key(items[-1]) == start:
            raise ValueError("the rows do not go on: a key is not what it is read as")
        for item in items:
            yield item
        await asyncio.sleep(0)


async def merged(
    lefts: AsyncIterator[L], left_key: Callable[[L], Any], rights: AsyncIterator[R], right_key: Callable[[R], Any]
) -> AsyncIterator[tuple[L | None, R | None]]:
    """Two ordered streams side by side: what has the same key together, what has no partner with `None`."""
    left, right = await anext(lefts, None), await anext(rights, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left_key(left) < right_key(right)):
            yield left, None
            left = await anext(lefts, None)
        elif left is None or right_key(right) < left_key(left):
            yield None, right
            right = await anext(rights, None)
        else:
            yield left, right
            left, right = await anext(lefts, None), await anext(rights, None)
