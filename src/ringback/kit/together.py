"""Those who want something of the same go together: the first goes at once, all who come meanwhile go with the next."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import Context
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")

MOST: Final = 32
"""How many go together."""
FEWER: Final = 4
"""Of those who failed together, one in so many goes together when they try again."""


class Shared(Exception):
    """It failed at its end, for all of them alike: it may have been done all the same, and is not tried again."""

    def __init__(self, why: BaseException) -> None:
        super().__init__(why)
        self.why = why


@dataclass(slots=True)
class Member(Generic[A, B]):
    """One of them: what is `wanted`, until when (of the loop's clock), and how it is done for several, until when.

    `company` is how many may go together where this is the first. The `do` of the last is for all of them: what it
    makes of each, in their order, or a failure, after which fewer go together.
    """

    wanted: A
    deadline: float
    do: Callable[[Sequence[A], float], Awaitable[Sequence[B]]]
    company: int = MOST
    answer: asyncio.Future[B] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Lines:
    """Lines of those who wait, each behind one who is at work."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, list[Member[Any, Any]]] = {}
        self._at_work: set[asyncio.Task[None]] = set()

    async def join(self, name: Hashable, one: Member[A, B]) -> B:
        """What is made of it. Who is cancelled before their group begins is left out; later it is done all the same."""
        if name in self._waiting:
            self._waiting[name].append(one)
        else:
            self._waiting[name] = [one]
            task = asyncio.create_task(self._empty(name), context=Context())  # nobody's deadline is for all of them
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)
        return await one.answer

    async def _empty(self, name: Hashable) -> None:
        try:
            while line := [one for one in self._waiting[name] if not one.answer.done()]:
                group, self._waiting[name] = line[: line[0].company], line[line[0].company :]
                self._waiting[name][:0] = await _go(group)
        finally:
            del self._waiting[name]


async def _go(group: list[Member[Any, Any]]) -> list[Member[Any, Any]]:
    """Do it for all of them, or for none; those who are to try again, fewer at a time."""
    try:
        made = await group[-1].do([one.wanted for one in group], min(one.deadline for one in group))
    except Shared as shared:
        _refuse(group, shared.why)
    except Exception as error:
        if len(group) > 1:
            return [replace(one, company=max(1, len(group) // FEWER)) for one in group]
        _refuse(group, error)
    else:
        for one, its in zip(group, made, strict=True):
            if not one.answer.done():
                one.answer.set_result(its)
    return []


def _refuse(group: list[Member[Any, Any]], why: BaseException) -> None:
    for one in group:
        if not one.answer.done():
            one.answer.set_exception(why)
