"""Until when something may take: one timer for all that has the same deadline, and none for who never waits."""

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import ContextVar
from functools import partial
from types import coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

_ENDS: Final[ContextVar[float | None]] = ContextVar("deadline", default=None)


async def until(deadline: float, doing: Coroutine[Any, Any, T]) -> T:
    """What it comes to; `TimeoutError` at the deadline (of the running loop's clock), as `asyncio.timeout_at` has it.

    Within another of the same deadline nothing is done, as that one cancels what is waited for here as well.
    """
    if _ENDS.get() == deadline:
        return await doing
    token = _ENDS.set(deadline)
    try:
        waits = doing.send(None)
        async with asyncio.timeout_at(deadline):
            return await _go_on(doing, waits)
    except StopIteration as done:
        found: T = done.value
        return found
    finally:
        _ENDS.reset(token)


@coroutine
def _go_on(doing: Coroutine[Any, Any, T], waits: Any) -> Generator[Any, Any, T]:
    """What it comes to, from where it waits for the first time."""
    while True:
        try:
            step = partial(doing.send, (yield waits))
        except BaseException as error:
            step = partial(doing.throw, error)
        try:
            waits = step()
        except StopIteration as done:
            found: T = done.value
            return found
