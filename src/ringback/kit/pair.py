"""Two databases on different servers as one: the first commits, and what was said to the second follows."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar

import structlog

from ringback.kit.db import OWN, Conflict, Database, Row, Session, Statement
from ringback.kit.errors import DatabaseUnavailable

T = TypeVar("T")

SHARE: Final = 0.4
"""How much of its time a change waits for the second database in all; then it goes on without it."""
REST: Final = 1.0
"""Seconds that the second database is left alone after it failed to take a change."""

log = structlog.get_logger()


class SecondAway(DatabaseUnavailable):
    """A change cannot read what the second database has; what it wants to write there will follow."""


class Pair:
    """`first` has the truth, `second` what is made of it. A second one that is away fails no change: it stays behind.

    `behind` is called after each commit that the second did not follow; somebody must make up for it. What is only read
    of the second fails when it is away.
    """

    def __init__(self, first: Database, second: Database, behind: Callable[[], None]) -> None:
        self.first = first
        self.second = second
        self.behind = behind
        self.rests_until = 0.0

    @property
    def together(self) -> int:
        return min(self.first.together, self.second.together)

    def session(self, *, writes: bool, deadline: float) -> "PairSession":
        return PairSession(self, writes=writes, deadline=deadline)

    def turn(self, name: str) -> AbstractAsyncContextManager[bool]:
        return self.first.turn(name)

    async def compact(self) -> None:
        await self.first.compact()
        await self.second.compact()

    def close(self) -> None:
        self.first.close()
        self.second.close()


class PairSession:
    """A `Session` that speaks to the database whose table a statement names."""

    def __init__(self, pair: Pair, *, writes: bool, deadline: float) -> None:
        now = asyncio.get_running_loop().time()
        patience = now + SHARE * (deadline - now) if writes else deadline
        self._pair = pair
        self._writes = writes
        self._first = pair.first.session(writes=writes, deadline=deadline)
        self._second = pair.second.session(writes=writes, deadline=patience)
        self.is_behind = False

    @property
    def is_begun(self) -> bool:
        return self._first.is_begun or self._second.is_begun

    async def run(self, statement: Statement, **values: object) -> int:
        if statement.place == OWN:
            return await self._first.run(statement, **values)
        return await self._told(lambda: self._second.run(statement, **values), 0)

    async def insert_if_new(self, statement: Statement, **values: object) -> bool:
        if statement.place == OWN:
            return await self._first.insert_if_new(statement, **values)
        return await self._told(lambda: self._second.insert_if_new(statement, **values), True)

    async def run_each(self, statement: Statement, rows: Sequence[Row]) -> int:
        if statement.place == OWN:
            return await self._first.run_each(statement, rows)
        return await self._told(lambda: self._second.run_each(statement, rows), 0)

    async def insert_if_all_new(self, statement: Statement, rows: Sequence[Row]) -> bool:
        if statement.place == OWN:
            return await self._first.insert_if_all_new(statement, rows)
        return await self._told(lambda: self._second.insert_if_all_new(statement, rows), True)

    async def one(self, statement: Statement, **values: object) -> Row | None:
        return await self._read(statement, lambda session: session.one(statement, **values))

    async def all(self, statement: Statement, **values: object) -> list[Row]:
        return await self._read(statement, lambda session: session.all(statement, **values))

    async def notify(self, channel: str, text: str) -> None:
        await self._first.notify(channel, text)

    async def commit(self) -> None:
        await self._first.commit()
        if not self.is_behind:
            try:
                await self._second.commit()
            except (DatabaseUnavailable, Conflict):
                self._fall_behind()
        if self.is_behind:
            await self._second.rollback()
            self._pair.behind()

    async def rollback(self) -> None:
        try:
            await self._first.rollback()
        finally:
            await self._second.rollback()

    async def _read(self, statement: Statement, ask: Callable[[Session], Awaitable[T]]) -> T:
        if statement.place == OWN:
            return await ask(self._first)
        if self._writes and self._is_left_alone():
            raise SecondAway
        try:
            return await ask(self._second)
        except DatabaseUnavailable:
            if self._writes:
                self._fall_behind()
                raise SecondAway from None
            raise

    async def _told(self, tell: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """What the second database answers to a change; `otherwise` once it is behind."""
        if not self._is_left_alone():
            try:
                return await tell()
            except DatabaseUnavailable:
                self._fall_behind()
        return otherwise

    def _is_left_alone(self) -> bool:
        """Whether this change asks the second database nothing more: waiting for it once is enough."""
        if asyncio.get_running_loop().time() < self._pair.rests_until:
            self.is_behind = True
        return self.is_behind

    def _fall_behind(self) -> None:
        self.is_behind = True
        self._pair.rests_until = asyncio.get_running_loop().time() + REST
        log.warning("the second database stays behind", action="database")
