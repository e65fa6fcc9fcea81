"""PostgreSQL: the driver, the session's settings, the states of errors."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any, Final, TypeVar

import structlog
from psycopg import AsyncConnection, AsyncRawCursor, DataError, Error, ProgrammingError, adapters, sql, waiting
from psycopg.abc import PQGen
from psycopg.adapt import AdaptersMap
from psycopg.types.string import TextLoader
from sqlalchemy import URL, Dialect
from sqlalchemy.dialects.postgresql.base import PGDialect

from ringback.kit.db import Absent, Conflict, Duplicate, Refused, Statement, rule_name
from ringback.kit.deadline import Deadline
from ringback.kit.link import BROKEN, Answer, Busy, Forbidden, Lost, Parameters

T = TypeVar("T")

IDLE: Final = 30
"""Seconds after which the server undoes a transaction in which nothing is said any more: its owner's host is gone."""
KEPT: Final = 512
"""Statements that stay prepared on each connection."""
OPTIONS: Final = ("host", "port", "sslmode", "sslrootcert")
"""What the driver is told of a URL's options; `host` may be the folder of a socket."""

DUPLICATE: Final = "23505"
FAILED: Final = "25P02"
"""A transaction in which something has failed before takes nothing more."""
CONFLICT: Final = ("40001", "40P01")
BUSY: Final = (
    *("55P03", "57014"),  # it waited for a lock, or went on, for too long
    "53",  # a full disk, no memory, too many connections
    *("28", "3D", "3F"),  # no such user, database or schema
)
FORBIDDEN: Final = "42501"
"""Rights are given and taken while we run. The text names tables and schemas alone."""
ABSENT: Final = "42P01"
REFUSED: Final = ("21", "22", "23", FAILED, "42", "P0")
"""Classes of states: cardinality, data, a rule, syntax or a name, a trigger's own."""
SETTINGS: Final = """
    SELECT set_config('TimeZone', 'UTC', false), set_config('default_transaction_isolation', 'read committed', false),
    set_config('lock_timeout', $1, false), set_config('statement_timeout', $1, false),
    set_config('idle_in_transaction_session_timeout', $2, false)
"""
OWNED: Final = """
    SELECT nspname, relname, pg_has_role(relowner, 'USAGE')
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind = 'r' AND (nspname, relname) IN (SELECT unnest($1::text[]), unnest($2::text[]))
"""
OWNS: Final = """
    SELECT coalesce(bool_or(pg_has_role(relowner, 'MEMBER')), false) FROM pg_class
    WHERE oid = to_regclass(quote_ident($1) || '.' || quote_ident($2))
"""

ADAPTERS: Final = AdaptersMap(adapters)
for _kind in ("json", "jsonb"):
    ADAPTERS.register_loader(_kind, TextLoader)

log = structlog.get_logger()


class Hasty(AsyncConnection[tuple[Any, ...]]):
    """Whoever stops waiting for an answer closes the connection, so the driver need not get it free again."""

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:  # noqa: ASYNC109
        return await waiting.wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)


class Failed(Exception):
    """A transaction was to be committed in which something had failed before."""


class PostgresLink:
    """An open connection."""

    def __init__(self, connection: Hasty) -> None:
        self._connection = connection

    async def execute(self, sql: str, parameters: Parameters, statement: Statement | None = None) -> Answer:
        cursor = AsyncRawCursor(self._connection)
        if isinstance(parameters, list):
            await cursor.executemany(sql, [tuple(map(without_nul, one)) for one in parameters])
            return Answer((), cursor.rowcount)
        try:
            await cursor.execute(sql, parameters)
        except DataError as error:
            if error.sqlstate or not parameters:
                raise
            await cursor.execute(sql, tuple(map(without_nul, parameters)))
        if sql == "COMMIT" and cursor.statusmessage != sql:
            raise Failed
        return Answer(await cursor.fetchall() if cursor.description else (), cursor.rowcount)

    async def compact(self, tables: Sequence[tuple[str, str]]) -> None:
        await self.execute("SET statement_timeout = 0", None)
        schemas, names = ([pair[part] for pair in tables] for part in (0, 1))
        for schema, name, is_ours in (await self.execute(OWNED, (schemas, names))).rows:
            if is_ours:
                table = sql.Identifier(schema, name).as_string(self._connection)
                await self.execute(f"VACUUM (FULL) {table}", None)
            else:
                log.warning("a table is not ours to write anew", action="database", table=f"{schema}.{name}")

    async def listen(self, channel: str, begun: Callable[[], None], heard: Callable[[], None], beat: float) -> None:
        """Call `begun`, then `heard` for all that is said on the channel, until the connection is lost, which raises.

        Every `beat` seconds without a word it is asked whether it is there, and has as long to answer.
        """
        await self.execute(f"LISTEN {channel}", None)
        begun()
        while True:
            async with aclosing(self._connection.notifies(timeout=beat)) as said:
                async for _ in said:
                    heard()
            with Deadline.after(beat):
                await self.execute("SELECT 1", None)

    def close(self) -> None:
        self._connection.pgconn.finish()


class Postgres:
    """An `Engine`. `timeout` is how many seconds a statement may take, or wait for a lock."""

    dialect: Dialect = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    if_new = " ON CONFLICT DO NOTHING"
    watched = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"

    def __init__(self, url: URL, timeout: float) -> None:
        self._url = url
        self._timeout = timeout

    async def open(self) -> PostgresLink:
        url = self._url
        where: dict[str, Any] = {name: value for name, value in url.query.items() if name in OPTIONS}
        where |= {"host": url.host, "port": url.port or 5432} if url.host else {}
        connection = await Hasty.connect(
            **where,
            user=url.username,
            password=None if url.password is None else str(url.password),
            dbname=url.database,
            client_encoding="UTF8",
            application_name="ringback",
            gssencmode="disable",
            autocommit=True,
            context=ADAPTERS,
        )
        connection.prepared_max = KEPT
        link = PostgresLink(connection)
        try:
            await link.execute(SETTINGS, (f"{round(self._timeout * 1000)}", f"{IDLE}s"))
        except BaseException:
            link.close()
            raise
        return link

    def complaint(self, error: Exception, statement: Statement | None) -> Exception:
        if isinstance(error, Failed):
            return Refused(FAILED)
        if not isinstance(error, Error):
            return Lost(type(error).__name__) if isinstance(error, BROKEN) else error
        state = error.sqlstate or error.diag.sqlstate or ""
        if state == DUPLICATE:
            return Duplicate(broken_rule(str(error.diag.table_name), str(error.diag.constraint_name)))
        if state in CONFLICT:
            return Conflict()
        if state == FORBIDDEN:
            return Forbidden(state, str(error.diag.message_primary))
        if state.startswith(BUSY):
            return Busy(state)
        if state == ABSENT:
            return Absent(f"{state}: {statement!r}")
        if state.startswith(REFUSED) or (not state and isinstance(error, DataError | ProgrammingError)):
            return Refused(f"{state or type(error).__name__}: {statement!r}")
        return Lost(state or type(error).__name__)

    def lock(self, name: str) -> tuple[str, tuple[Any, ...]]:
        return "SELECT pg_try_advisory_lock($1)", (lock_number(name),)

    def notice(self, channel: str, text: str) -> tuple[str, tuple[Any, ...]]:
        return "SELECT pg_notify($1, $2)", (channel, text)

    def unlock(self, name: str) -> tuple[str, tuple[Any, ...]]:
        return "SELECT pg_advisory_unlock($1)", (lock_number(name),)

    def unguarding(self, schema: str, table: str) -> tuple[str, tuple[Any, ...]]:
        """As its owner, or as one who may do what its owner may."""
        return OWNS, (schema, table)


def broken_rule(table: str, index: str) -> str:
    return "id" if index == f"{table}_pkey" else rule_name(table, index)


def lock_number(name: str) -> int:
    """64 bits that stand for the name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def without_nul(value: Any) -> Any:
    """Text as it can be kept, or looked for: NUL is what cannot."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
