"""A database that may not be there yet: whoever needs it tries to open it, until that has gone well once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

from ringback.kit.db import FEW, Database, Row, Session, Statement
from ringback.kit.errors import CannotStart, DatabaseAway, DatabaseUnavailable

log = structlog.get_logger()


class Awaited:
    """A `Database` that another one stands for as soon as `open` returns it."""

    def __init__(self, open: Callable[[], Awaitable[Database]]) -> None:
        self._open = open
        self._opening: asyncio.Task[Database] | None = None
        self._database: Database | None = None
        self._told = ""

    async def there(self) -> Database:
        """The database, or why it cannot be opened; all who wait for it share one try."""
        if self._database is None:
            self._opening = self._opening or asyncio.create_task(self._opened())
            self._database = await asyncio.shield(self._opening)
        return self._database

    async def needed(self) -> Database:
        """The database, or `DatabaseUnavailable`; what only its operator can mend is logged, once."""
        try:
            return await self.there()
        except CannotStart as error:
            if str(error) != self._told and not isinstance(error, DatabaseAway):
                self._told = str(error)
                log.error("the database cannot be used", action="database", error=self._told)
            raise DatabaseUnavailable from None

    async def _opened(self) -> Database:
        try:
            return await self._open()
        finally:
            self._opening = None

    @property
    def together(self) -> int:
        return self._database.together if self._database else FEW

    def session(self, *, writes: bool, deadline: float) -> Session:
        if self._database:
            return self._database.session(writes=writes, deadline=deadline)
        return AwaitedSession(self, writes=writes, deadline=deadline)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[bool]:
        async with (await self.needed()).turn(name) as is_ours:
            yield is_ours

    async def compact(self) -> None:
        await (await self.needed()).compact()

    def close(self) -> None:
        if self._opening:
            self._opening.cancel()
        if self._database:
            self._database.close()


class AwaitedSession:
    """A `Session` that begins with the database's first statement, as all do, and waits for the database till then."""

    def __init__(self, awaited: Awaited, *, writes: bool, deadline: float) -> None:
        self._awaited = awaited
        self._writes = writes
        self._deadline = deadline
        self._begun: Session | None = None

    @property
    def is_begun(self) -> bool:
        return self._begun is not None and self._begun.is_begun

    @property
    def is_behind(self) -> bool:
        return self._begun is not None and self._begun.is_behind

    async def _session(self) -> Session:
        if self._begun is None:
            database = await self._awaited.needed()
            self._begun = database.session(writes=self._writes, deadline=self._deadline)
        return self._begun

    async def run(self, statement: Statement, **values: object) -> int:
        return await (await self._session()).run(statement, **values)

    async def insert_if_new(self, statement: Statement, **values: object) -> bool:
        return await (await self._session()).insert_if_new(statement, **values)

    async def run_each(self, statement: Statement, rows: Sequence[Row]) -> int:
        return await (await self._session()).run_each(statement, rows)

    async def insert_if_all_new(self, statement: Statement, rows: Sequence[Row]) -> bool:
        return await (await self._session()).insert_if_all_new(statement, rows)

    async def one(self, statement: Statement, **values: object) -> Row | None:
        return await (await self._session()).one(statement, **values)

    async def all(self, statement: Statement, **values: object) -> list[Row]:
        return await (await self._session()).all(statement, **values)

    async def notify(self, channel: str, text: str) -> None:
        await (await self._session()).notify(channel, text)

    async def commit(self) -> None:
        if self._begun:
            await self._begun.commit()

    async def rollback(self) -> None:
        if self._begun:
            await self._begun.rollback()
