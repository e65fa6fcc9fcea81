"""A database on a server: sessions that borrow connections for their transactions."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog
from sqlalchemy import MetaData

from ringback.kit.cancelling import cancellable
from ringback.kit.db import Absent, Duplicate, Prepared, Row, Schemas, Statement, StillRead
from ringback.kit.deadline import Deadline, until
from ringback.kit.errors import DatabaseUnavailable, TableMissing
from ringback.kit.link import Answer, Busy, Engine, Line, Lost, Parameters, leave
from ringback.kit.lookups import Lookup, Lookups
from ringback.kit.pool import Pool

CONNECTING: Final = 2.0
"""Seconds that a connection may take to be opened."""
TURNS: Final = 16
"""Turns that one process has, or asks for, at once; each has a connection of its own, besides those of the sessions."""
BEAT: Final = 30.0
"""Seconds; the server waits for some of them."""
BEGIN: Final = "BEGIN"
COMMIT: Final = "COMMIT"
ROLLBACK: Final = "ROLLBACK"

log = structlog.get_logger()


class RemoteDatabase:
    """A `Database` on a server, in one or two schemas of it.

    `watch` is called with every statement before it runs: to count, to fail, to kill. `timeout` is how many seconds it
    may take to ask for a turn, `beat` how many pass between two signs of life while one is held. The connections
    belong to the loop that they were opened in.
    """

    together = 500

    def __init__(
        self,
        engine: Engine,
        schemas: Schemas,
        *metadatas: MetaData,
        size: int,
        timeout: float,
        watch: Callable[[Statement], None] | None = None,
        beat: float = BEAT,
    ) -> None:
        self.engine = engine
        self.schemas = schemas
        self.watch = watch or (lambda statement: None)
        self.lines = Pool(self._open, size)
        self.lookups = Lookups(self._found)
        self._turns = Pool(self._open_watched, TURNS)
        self._timeout = timeout
        self._beat = beat
        self._tables = [table for metadata in metadatas for table in metadata.tables.values()]

    def session(self, *, writes: bool, deadline: float) -> "RemoteSession":
        return RemoteSession(self, writes=writes, deadline=deadline)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[bool]:
        name = f"{self.schemas.own}.{name}"
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            line, answer = await self.begun(self._turns, deadline, *self.engine.lock(name))
        except (Absent, Busy, Lost) as error:
            raise told(error) from None
        is_ours = bool(answer.rows[0][0])
        if not is_ours:
            self._turns.give(line)
            yield False
            return
        living = asyncio.create_task(self._live(line))
        try:
            yield True
        finally:
            try:
                living.cancel()
                await asyncio.wait({living})
                await leave(line, *self.engine.unlock(name))
            finally:
                self._turns.give(line)

    async def _live(self, line: Line) -> None:
        """Say now and then that we are there: who is silent for long is taken for gone."""
        while not line.is_broken:
            await asyncio.sleep(self._beat)
            try:
                await line.say("SELECT 1", deadline=asyncio.get_running_loop().time() + self._timeout)
            except (Busy, Lost) as error:
                told(error)

    async def begun(
        self,
        pool: Pool[Line],
        deadline: float,
        sql: str,
        parameters: Parameters = None,
        statement: Statement | None = None,
    ) -> tuple[Line, Answer]:
        """A connection and its answer to this, the first that is said on it.

        So if it had died meanwhile, nothing has happened, and the next one is asked.
        """
        while True:
            line = await pool.take(deadline)
            try:
                return line, await line.say(sql, parameters, deadline=deadline, statement=statement)
            except BaseException as error:
                pool.give(line)
                was_dead = isinstance(error, Lost) and line.is_used
                if not was_dead or asyncio.get_running_loop().time() >= deadline:
                    raise

    async def read(self, sql: str, parameters: Parameters, statement: Statement, deadline: float) -> Answer:
        """The answer to a statement that is a transaction by itself."""
        self.watch(statement)
        line, answer = await self.begun(self.lines, deadline, sql, parameters, statement)
        self.lines.give(line)
        return answer

    async def _found(self, lookup: Lookup, keys: Sequence[object], deadline: float) -> list[Row]:
        statement, values = lookup.of(keys)
        prepared = statement.prepared(self.engine.dialect, self.schemas, values)
        return prepared.rows((await self.read(prepared.sql, prepared.parameters(values), lookup, deadline)).rows)

    async def _open(self, deadline: float) -> Line:
        latest = asyncio.get_running_loop().time() + CONNECTING
        line = None
        try:
            with Deadline(min(deadline, latest)), cancellable():
                line = Line(self.engine, await self.engine.open())
        except TimeoutError:
            raise told(Lost("timeout")) from None
        except Exception as error:
            raise told(self.engine.complaint(error, None)) from None
        except asyncio.CancelledError:
            if line:
                line.close()
            raise
        return line

    async def _open_watched(self, deadline: float) -> Line:
        line = await self._open(deadline)
        try:
            await line.say(self.engine.watched, deadline=deadline)
        except BaseException as error:
            line.close()
            raise told(error) from None
        return line

    async def compact(self) -> None:
        """Write the tables anew, as far as they are ours to do so; how long that takes, the server says.

        The tables' files hold nothing then of what was overwritten. The server's logs do until they are overwritten
        themselves, and so do its binary log or archive, its backups, and the blocks of the disk that it gave back.
        """
        schemas = self.schemas.named()
        line = await self._open(asyncio.get_running_loop().time() + CONNECTING)
        try:
            await line.link.compact([(str(schemas[str(table.schema)]), table.name) for table in self._tables])
        except Exception as error:
            complaint = self.engine.complaint(error, None)
            raise (StillRead() if isinstance(complaint, Busy) else told(complaint)) from None
        finally:
            line.close()

    def close(self) -> None:
        self.lines.close()
        self._turns.close()


class RemoteSession:
    """A `Session`: one transaction from its first statement on, or reading, when each statement is one by itself.

    A connection is borrowed for a transaction, or for one statement of a reading session.
    """

    is_behind = False

    def __init__(self, database: RemoteDatabase, *, writes: bool, deadline: float) -> None:
        self._database = database
        self._writes = writes
        self._deadline = deadline
        self._line: Line | None = None

    @property
    def is_begun(self) -> bool:
        return self._line is not None

    async def run(self, statement: Statement, **values: object) -> int:
        return (await self._ask(statement, values)).found

    async def insert_if_new(self, statement: Statement, **values: object) -> bool:
        try:
            return (await self._ask(statement, values, self._database.engine.if_new)).found > 0
        except Duplicate:
            return False

    async def run_each(self, statement: Statement, rows: Sequence[Row]) -> int:
        return (await self._ask(statement, rows)).found if rows else 0

    async def insert_if_all_new(self, statement: Statement, rows: Sequence[Row]) -> bool:
        try:
            return (await self._ask(statement, rows, self._database.engine.if_new)).found == len(rows)
        except Duplicate:
            return False

    async def one(self, statement: Statement, **values: object) -> Row | None:
        if isinstance(statement, Lookup) and not self._writes:
            return await self._looked_up(statement, values)
        rows = await self.all(statement, **values)
        return rows[0] if rows else None

    async def all(self, statement: Statement, **values: object) -> list[Row]:
        answer = await self._ask(statement, values)
        return self._prepared(statement, values).rows(answer.rows)

    async def notify(self, channel: str, text: str) -> None:
        notice = self._database.engine.notice(channel, text)
        if notice and self._line:
            await self._say(self._line, *notice)

    async def commit(self) -> None:
        """When this fails with `DatabaseUnavailable`, nobody knows whether it was done: the link may end in between."""
        if self._line:
            await self._say(self._line, COMMIT)
            self._end(self._line)

    async def rollback(self) -> None:
        """Never fails: a connection that does not answer is closed, which undoes the transaction as well."""
        if line := self._line:
            try:
                await leave(line, ROLLBACK)
            finally:
                self._end(line)

    def _prepared(self, statement: Statement, values: Row) -> Prepared:
        return statement.prepared(self._database.engine.dialect, self._database.schemas, values)

    async def _looked_up(self, lookup: Lookup, values: Row) -> Row | None:
        try:
            doing = self._database.lookups.one(lookup, values[lookup.name], self._deadline)
            return await until(self._deadline, doing)
        except TimeoutError:
            raise DatabaseUnavailable from None
        except (Absent, Busy, Lost) as error:
            raise told(error) from None

    async def _ask(self, statement: Statement, values: Row | Sequence[Row], more: str = "") -> Answer:
        rows = [values] if isinstance(values, Mapping) else values
        prepared = self._prepared(statement, rows[0])
        bound = [prepared.parameters(row) for row in rows]
        sql, parameters = prepared.sql + more, bound if len(bound) > 1 else bound[0]
        database = self._database
        try:
            if not self._writes:
                return await database.read(sql, parameters, statement, self._deadline)
            if not self._line:
                self._line, _ = await database.begun(database.lines, self._deadline, BEGIN)
            database.watch(statement)
            return await self._line.say(sql, parameters, deadline=self._deadline, statement=statement)
        except (Absent, Busy, Lost) as error:
            raise told(error) from None

    async def _say(self, line: Line, sql: str, parameters: Parameters = None) -> None:
        try:
            await line.say(sql, parameters, deadline=self._deadline)
        except (Absent, Busy, Lost) as error:
            raise told(error) from None

    def _end(self, line: Line) -> None:
        self._line = None
        self._database.lines.give(line)


def told(error: BaseException) -> BaseException:
    """The same error, or what the caller is told of it: nobody answers, or a table is missing. The code is logged."""
    if not isinstance(error, Absent | Busy | Lost):
        return error
    log.error("the database failed", action="database", error=str(error))
    return TableMissing() if isinstance(error, Absent) else DatabaseUnavailable()
