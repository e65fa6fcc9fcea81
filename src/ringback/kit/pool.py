"""A few connections to a server, lent to one at a time: opened when needed, thrown away when in doubt."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from ringback.kit.deadline import until
from ringback.kit.errors import DatabaseUnavailable


class Lendable(Protocol):
    """What a pool holds. `is_used` is false until it has been given back once."""

    is_used: bool

    @property
    def is_broken(self) -> bool:
        """Whether nobody may have it any more."""

    def close(self) -> None:
        """At once, whatever it is doing."""


C = TypeVar("C", bound=Lendable)


class Pool(Generic[C]):
    """At most `size` at a time. The one that was given back last is lent first."""

    def __init__(self, open: Callable[[float], Awaitable[C]], size: int) -> None:
        """`open` makes a new one until a deadline, and raises `DatabaseUnavailable` itself."""
        self._open = open
        self._places = asyncio.Semaphore(size)
        self._idle: list[C] = []
        self._lent: list[C] = []
        self._is_closed = False

    async def take(self, deadline: float) -> C:
        """One that is the caller's until `give`; `DatabaseUnavailable` when none is free until `deadline`."""
        if self._places.locked():
            await self._place(deadline)
        else:
            await self._places.acquire()
        try:
            one = self._idle.pop() if self._idle else await self._open(deadline)
        except BaseException:
            self._places.release()
            raise
        self._lent.append(one)
        return one

    async def _place(self, deadline: float) -> None:
        try:
            await until(deadline, self._places.acquire())
        except TimeoutError:
            raise DatabaseUnavailable from None

    def give(self, one: C) -> None:
        """Back. Where one broke the others may have broken too, unnoticed: none of them is lent again."""
        self._places.release()
        self._lent.remove(one)
        if one.is_broken:
            self.forget_idle()
        if one.is_broken or self._is_closed:
            one.close()
        else:
            one.is_used = True
            self._idle.append(one)

    def forget_idle(self) -> None:
        """Close all that are not lent."""
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        """Close them all, those too that somebody has."""
        self._is_closed = True
        self.forget_idle()
        for one in self._lent:
            one.close()
