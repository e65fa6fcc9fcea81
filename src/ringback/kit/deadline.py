"""Until when something may take: one timer for all that has the same deadline, and none for who never waits."""

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import ContextVar
from functools import partial
from types import TracebackType, coroutine
from typing import Any, Final, Self, TypeVar

T = TypeVar("T")

AGAIN: Final = 0.5
"""Seconds after which whoever is still there is told again; to take leave of a server takes less."""

_ENDS: Final[ContextVar[float | None]] = ContextVar("deadline", default=None)


class Deadline:
    """`with Deadline(when):` ends what goes on within at that time of the running loop's clock, by `TimeoutError`.

    As `asyncio.timeout_at`, but whoever does not hear of it is told again and again: `asyncio.wait_for` overhears it
    before Python 3.12 if what it waits for is done in that moment, and a driver that uses it goes on, maybe for ever.
    """

    __slots__ = ("_before", "_loop", "_task", "_timer", "_times", "_when")

    def __init__(self, when: float) -> None:
        self._when = when
        self._times = 0

    @classmethod
    def after(cls, seconds: float) -> Self:
        return cls(asyncio.get_running_loop().time() + seconds)

    def __enter__(self) -> Self:
        task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task
        self._task, self._before = task, task.cancelling()
        is_past = self._when <= self._loop.time()
        self._timer = self._loop.call_soon(self._tell) if is_past else self._loop.call_at(self._when, self._tell)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        for _ in range(self._times):
            self._task.uncancel()
        if self._times and kind is asyncio.CancelledError and self._task.cancelling() <= self._before:
            raise TimeoutError from error

    def _tell(self) -> None:
        self._times += 1
        self._task.cancel()
        self._timer = self._loop.call_later(AGAIN, self._tell)


async def until(deadline: float, doing: Coroutine[Any, Any, T]) -> T:
    """What it comes to; `TimeoutError` at the deadline (of the running loop's clock).

    Within another of the same deadline nothing is done, as that one cancels what is waited for here as well.
    """
    if _ENDS.get() == deadline:
        return await doing
    token = _ENDS.set(deadline)
    try:
        waits = doing.send(None)
        with Deadline(deadline):
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
