"""The SQLite engine: one connection that writes, one that reads, no thread."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import MetaData
from sqlalchemy.dialects import sqlite

from ringback.kit.db import (
    FEW,
    NO_VALUES,
    Duplicate,
    Prepared,
    Row,
    Schemas,
    Statement,
    StillRead,
    rule_name,
    unique_rules,
)
from ringback.kit.errors import CannotStart, DatabaseUnavailable, TableMissing

T = TypeVar("T")

log = structlog.get_logger()

SCHEMAS: Final = Schemas(own="main", asterisk="main")
PAUSE: Final = 0.004
"""Seconds between two tries at a file that somebody else is writing."""
COMPACTING: Final = 5.0
"""Seconds that readers get to finish before the file is given up to be written anew."""
SPOILT: Final = "Could not decode to UTF-8"
BUSY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED")


class SqliteDatabase:
    """One file. `watch` is called with every statement before it runs: to count, to fail, to kill.

    The driver is called in the loop: a statement takes microseconds, and no busy timeout is set, since it would freeze
    the loop. Whoever finds the file locked sleeps a little and tries again until its deadline.
    """

    together = FEW

    def __init__(self, path: Path, *metadatas: MetaData, watch: Callable[[Statement], None] | None = None) -> None:
        self.path = path
        self.watch = watch or (lambda statement: None)
        self.lock = asyncio.Lock()
        self.dialect = sqlite.dialect(paramstyle="qmark")
        self.dialect.default_schema_name = "main"
        self._metadatas = metadatas
        self.writer = connect(path)
        self.reader = connect(path)

    def session(self, *, writes: bool, deadline: float) -> "SqliteSession":
        return SqliteSession(self, writes=writes, deadline=deadline)

    def revision(self) -> int:
        """A number that is another one after anybody's commit; what was cached under the old one may be stale."""
        try:
            (version,) = self.reader.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            return -1
        return int(version)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[bool]:
        """Always ours: a file has one server, which holds its lock."""
        yield True

    async def compact(self, patience: float = COMPACTING) -> None:
        """Write the file anew and empty its log: freed pages of both may still hold what was overwritten."""
        deadline = asyncio.get_running_loop().time() + patience
        for step in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
            while not self._is_done(step):
                if asyncio.get_running_loop().time() >= deadline:
                    raise StillRead
                await asyncio.sleep(PAUSE)

    def _is_done(self, sql: str) -> bool:
        """Whether nobody was in the way; a checkpoint says so in its row."""
        try:
            row = self.writer.execute(sql).fetchone()
        except sqlite3.Error as error:
            if str(getattr(error, "sqlite_errorname", "")).startswith(BUSY):
                return False
            log.error("the file could not be written anew", action="database", error=str(error))
            raise DatabaseUnavailable from error
        return not (row and row[0])

    def close(self) -> None:
        self.reader.close()
        self.writer.close()

    @cached_property
    def _rules(self) -> dict[tuple[str, frozenset[str]], str]:
        return {(table, columns): rule for table, columns, rule in unique_rules(*self._metadatas)}

    def rule(self, error: sqlite3.IntegrityError) -> str | None:
        """The rule that a unique complaint speaks of; SQLite names the columns, or the index if it has expressions."""
        found = re.fullmatch(r"UNIQUE constraint failed: (?:index '(\w+)'|(.+))", str(error))
        if not found:
            return None
        index, columns = found.groups()
        if index:
            return next((rule for (table, _), rule in self._rules.items() if rule == rule_name(table, index)), index)
        names = [name.split(".") for name in columns.split(", ")]
        return self._rules.get((names[0][0], frozenset(column for _, column in names)), columns)


class SqliteSession:
    """A `Session`: reading outside any transaction, or one `BEGIN IMMEDIATE` transaction from its first statement."""

    is_behind = False

    def __init__(self, database: SqliteDatabase, *, writes: bool, deadline: float) -> None:
        self._database = database
        self._connection = database.writer if writes else database.reader
        self._writes = writes
        self._deadline = deadline
        self.is_begun = False

    async def run(self, statement: Statement, **values: object) -> int:
        return await self._execute(statement, values, _found)

    async def insert_if_new(self, statement: Statement, **values: object) -> bool:
        try:
            await self.run(statement, **values)
        except Duplicate:
            return False
        return True

    async def run_each(self, statement: Statement, rows: Sequence[Row]) -> int:
        return await self._execute(statement, rows, _found)

    async def insert_if_all_new(self, statement: Statement, rows: Sequence[Row]) -> bool:
        try:
            await self.run_each(statement, rows)
        except Duplicate:
            return False
        return True

    async def one(self, statement: Statement, **values: object) -> Row | None:
        rows = await self.all(statement, **values)
        return rows[0] if rows else None

    async def all(self, statement: Statement, **values: object) -> list[Row]:
        return await self._execute(statement, values, lambda cursor, prepared: prepared.rows(cursor.fetchall()))

    async def notify(self, channel: str, text: str) -> None:
        """Nobody hears it: other processes look at `revision`."""

    async def commit(self) -> None:
        if self.is_begun:
            await self._patiently(lambda: self._connection.execute("COMMIT"))
            self._end()

    async def rollback(self) -> None:
        if self.is_begun:
            try:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            finally:
                self._end()

    async def _execute(
        self, statement: Statement, values: Row | Sequence[Row], take: Callable[[sqlite3.Cursor, Prepared], T]
    ) -> T:
        several = [values] if isinstance(values, Mapping) else values
        prepared = statement.prepared(self._database.dialect, SCHEMAS, several[0] if several else NO_VALUES)
        execute: Callable[[str, Any], sqlite3.Cursor] = self._connection.execute
        parameters: Any
        if isinstance(values, Mapping):
            parameters = prepared.parameters(values)
        else:
            execute = self._connection.executemany
            parameters = [prepared.parameters(row) for row in values]
        if self._writes and not self.is_begun:
            await self._begin()
        self._database.watch(statement)
        return await self._patiently(lambda: take(execute(prepared.sql, parameters), prepared))

    async def _begin(self) -> None:
        try:
            async with asyncio.timeout_at(self._deadline):
                await self._database.lock.acquire()
        except TimeoutError:
            raise DatabaseUnavailable from None
        try:
            await self._patiently(lambda: self._connection.execute("BEGIN IMMEDIATE"))
        except BaseException:
            self._database.lock.release()
            raise
        self.is_begun = True

    def _end(self) -> None:
        self.is_begun = False
        self._database.lock.release()

    async def _patiently(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return self._call(call)
            except sqlite3.OperationalError:
                if asyncio.get_running_loop().time() >= self._deadline:
                    raise DatabaseUnavailable from None
            await asyncio.sleep(PAUSE)

    def _call(self, call: Callable[[], T]) -> T:
        """Run it; a busy file stays an `OperationalError`, every other complaint becomes one of ours."""
        try:
            return call()
        except sqlite3.IntegrityError as error:
            rule = self._database.rule(error)
            if rule is None:
                raise
            raise Duplicate(rule) from None
        except sqlite3.DatabaseError as error:
            if str(error).startswith(SPOILT):
                return self._call_spoilt(call)
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith(BUSY) or isinstance(error, sqlite3.ProgrammingError):
                raise
            is_absent = str(error).startswith("no such table")
            known = str(error) if is_absent else name or type(error).__name__
            log.error("the database failed", action="database", error=known)
            raise (TableMissing() if is_absent else DatabaseUnavailable()) from error

    def _call_spoilt(self, call: Callable[[], T]) -> T:
        """A phone may have put any bytes into the columns that Asterisk writes: read again what is no text."""
        self._connection.text_factory = _text
        try:
            return self._call(call)
        finally:
            self._connection.text_factory = str


def connect(path: Path) -> sqlite3.Connection:
    """Open the file in WAL mode, every commit on the disk before it counts; nothing waits inside the driver.

    Foreign keys hold as on every other engine.
    """
    try:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        _pragma(connection, "busy_timeout = 2000")
        _pragma(connection, "journal_mode = WAL")
        _pragma(connection, "synchronous = FULL")
        _pragma(connection, "foreign_keys = ON")
        _pragma(connection, "busy_timeout = 0")
    except sqlite3.Error as error:
        raise CannotStart(f"the database {path} cannot be used: {error}") from None
    return connection


def _found(cursor: sqlite3.Cursor, prepared: Prepared) -> int:
    return cursor.rowcount


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _pragma(connection: sqlite3.Connection, text: str) -> Any:
    return connection.execute(f"PRAGMA {text}").fetchone()
