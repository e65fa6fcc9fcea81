"""Rows that are looked up by their keys: those that are asked for in one turn of the loop come by one statement."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Column, Select, bindparam

from ringback.kit.db import Row, Statement, among

MOST: Final = 64
"""Keys of one statement."""


class Lookup(Statement):
    """The one of these rows that has the value called `name` as its key: a column of theirs that is unique.

    What equals a key in the database equals it here: an id, or text that has one spelling.
    """

    def __init__(self, rows: Select[Any], key: Column[Any], name: str) -> None:
        super().__init__(rows.where(key == bindparam(name)))
        self.name = name
        self.key = key
        self.several = Statement(rows.where(among(key, "keys")))

    def of(self, keys: Sequence[object]) -> tuple[Statement, Row]:
        """A statement that finds the rows of 1 to `MOST` keys, and its values."""
        return (self.several, {"keys": keys}) if len(keys) > 1 else (self, {self.name: keys[0]})


@dataclass(slots=True)
class Batch:
    """Keys that are asked for together, until the last of those who ask gives up."""

    keys: dict[object, None] = field(default_factory=dict)
    deadline: float = 0.0
    finding: asyncio.Task[dict[object, Row]] = field(init=False)


class Lookups:
    """Looks rows up for all who ask in one turn of the loop at once; whoever gives up takes nothing from the others.

    It begins after the last of them has asked, so what any of them knew to be there is found.
    """

    def __init__(self, find: Callable[[Lookup, Sequence[object], float], Awaitable[list[Row]]]) -> None:
        """`find` gets the rows of some keys until a deadline; all who asked get what it raises."""
        self._find = find
        self._open: dict[Lookup, Batch] = {}

    async def one(self, lookup: Lookup, key: object, deadline: float) -> Row | None:
        """The row of that key; the deadline is the caller's to watch."""
        batch = self._open.get(lookup)
        if batch is None:
            batch = self._open[lookup] = Batch()
            batch.finding = asyncio.get_running_loop().create_task(
                self._found(lookup, batch),
                context=Context(),  # it is nobody's request alone
            )
        batch.keys[key] = None
        batch.deadline = max(batch.deadline, deadline)
        if len(batch.keys) == MOST:
            del self._open[lookup]
        rows = await asyncio.shield(batch.finding)
        return rows.get(key)

    async def _found(self, lookup: Lookup, batch: Batch) -> dict[object, Row]:
        if self._open.get(lookup) is batch:
            del self._open[lookup]
        rows = await self._find(lookup, list(batch.keys), batch.deadline)
        return {row[lookup.key.name]: row for row in rows}
