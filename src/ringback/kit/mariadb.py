"""MariaDB and MySQL: the driver, the session's settings, the error numbers."""

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain, compress
from typing import Any, Final

import structlog
from asyncmy import connect
from asyncmy.connection import Connection
from asyncmy.constants import CLIENT
from asyncmy.cursors import Cursor
from asyncmy.errors import MySQLError
from sqlalchemy import URL, Dialect
from sqlalchemy.dialects.mysql.base import MySQLDialect

from ringback.kit.db import Absent, Conflict, Duplicate, Refused, Statement, rule_name
from ringback.kit.link import BROKEN, Answer, Busy, Forbidden, Lost, Parameters

IDLE: Final = 30
"""Seconds after which the server undoes a transaction in which nothing is said any more: its owner's host is gone."""
KEPT: Final = 512
"""Statements that stay prepared on each connection."""
ROW: Final = re.compile(r"VALUES (\([^()]*\))")
LONGEST: Final = 64
"""Characters that a lock's name may have."""

LOCKED: Final = 1205
NO_RIGHT: Final = 1142
DUPLICATE: Final = {1062, 1586}
CONFLICT: Final = {
    *(1213, 1020),  # a deadlock; a row that is newer than the snapshot
    1615,  # a statement that must be prepared again
}
READ_ONLY: Final = {1290, 1792, 1836}
"""This server may have been the primary once: the next connection finds the one that is."""
BUSY: Final = {
    *(LOCKED, 1969, 3024, 1317),  # it waited for a lock, or went on, for too long
    *(1021, 1114, 1030, 1037, 1041, 1206),  # a full disk, a full table, no memory
    *(1040, 1203, 1226),  # too many connections
    *(1045, 1049),  # no such user or database
}
FORBIDDEN: Final = {1044, NO_RIGHT, 1143, 1227}
"""Rights are given and taken while we run. The text names users, tables and columns alone."""
ABSENT: Final = 1146
REFUSED: Final = {1093, 1267, 1300, 1364, 1366, 3988, 4025}
"""Those whose state does not say that they would be the same the next time."""
WRONG: Final = ("01", "0A", "21", "22", "23", "42", "45")
"""Classes of states: a value cut off, not supported, cardinality, data, a rule, syntax or a name, a trigger's own."""
OPTIMIZED: Final = "OPTIMIZE NO_WRITE_TO_BINLOG TABLE `{}`.`{}`"
HELD: Final = """
    EXISTS (SELECT 1 FROM information_schema.{}_privileges WHERE privilege_type IN ('DROP', 'TRIGGER') AND {}
            AND grantee = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), ''''))
"""
UNGUARDS: Final = " OR ".join(
    [
        "SELECT" + HELD.format("user", "true"),
        HELD.format("schema", "%s LIKE table_schema"),
        HELD.format("table", "table_schema = %s AND table_name = %s"),
    ]
)

log = structlog.get_logger()


class Quiet(Cursor):
    """Asks for no warnings, since the driver would log them, and they tell values."""

    async def _show_warnings(self, conn: Connection) -> None: ...


@lru_cache(KEPT)
def of_many(sql: str, count: int) -> str:
    """The INSERT of so many rows, by values."""
    before, values, after = ROW.split(sql, maxsplit=1)
    return f"{before}VALUES {', '.join([values] * count)}{after}"


def typed(sql: str, rows: list[tuple[Any, ...]]) -> tuple[str, list[tuple[Any, ...]]]:
    """The same INSERT with NULL in its text where every row has it: the bulk protocol needs a type of each value."""
    said = tuple(any(value is not None for value in column) for column in zip(*rows, strict=True))
    if all(said) or not ROW.search(sql):
        return sql, rows
    return _with_nulls(sql, said), [tuple(compress(row, said)) for row in rows]


@lru_cache(KEPT)
def _with_nulls(sql: str, said: tuple[bool, ...]) -> str:
    before, values, after = ROW.split(sql, maxsplit=1)
    texts = (
        value if is_said else value.replace("%s", "NULL")
        for value, is_said in zip(values.split(","), said, strict=True)
    )
    return f"{before}VALUES {','.join(texts)}{after}"


class MariaLink:
    """An open connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.is_mariadb = "MariaDB" in str(getattr(connection, "server_version", ""))

    async def execute(self, sql: str, parameters: Parameters, statement: Statement | None = None) -> Answer:
        cursor = self._connection.cursor(Quiet)
        if isinstance(parameters, list):
            is_counted = statement is not None and statement.counts_ids  # the bulk protocol would leave gaps
            if not ROW.search(sql) or (self.is_mariadb and not is_counted):
                return Answer((), await cursor.executemany(*typed(sql, parameters)) or 0)
            sql, parameters = of_many(sql, len(parameters)), tuple(chain.from_iterable(parameters))
        await cursor.execute(sql, parameters)
        return Answer(await cursor.fetchall(), int(str(cursor.rowcount)))

    async def compact(self, tables: Sequence[tuple[str, str]]) -> None:
        if self.is_mariadb:
            await self.execute("SET SESSION max_statement_time = 0", None)
        for schema, table in tables:
            try:
                rows = (await self.execute(OPTIMIZED.format(schema, table), None)).rows
            except MySQLError as error:
                if error.args[0] != NO_RIGHT:
                    raise
                log.warning("a table is not ours to write anew", action="database", table=f"{schema}.{table}")
                continue
            for *_, kind, text in rows:
                if str(kind).lower() == "error":
                    raise MySQLError(LOCKED if "Lock wait" in text else 0, text)

    def close(self) -> None:
        """Takes leave of the server, which would note an aborted connection otherwise, and does not wait for it."""
        leaving = self._connection.ensure_closed()
        with suppress(StopIteration):
            leaving.send(None)
        leaving.close()
        self._connection.close()


class MariaDb:
    """An `Engine`. `timeout` is how many seconds a statement may take, or wait for a lock."""

    dialect: Dialect = MySQLDialect(paramstyle="format")
    if_new = ""
    watched = "SET SESSION wait_timeout = 120"

    def __init__(self, url: URL, timeout: float) -> None:
        self._url = url
        self._timeout = timeout

    async def open(self) -> MariaLink:
        url = self._url
        connection = await connect(
            host=url.host or "localhost",
            port=url.port or 3306,
            unix_socket=url.query.get("unix_socket"),
            user=url.username,
            password=str(url.password or "").encode(),
            database=url.database,
            charset="utf8mb4",
            autocommit=True,
            client_flag=CLIENT.FOUND_ROWS,
            stmt_cache_size=KEPT,
            program_name="ringback",
            ssl=tls(url),
        )
        link = MariaLink(connection)
        try:
            await link.execute(self._settings(is_mariadb=link.is_mariadb), None)
            await link.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", None)
        except BaseException:
            link.close()
            raise
        return link

    def _settings(self, *, is_mariadb: bool) -> str:
        seconds = max(1, round(self._timeout))
        longest = {"max_statement_time": self._timeout, "idle_transaction_timeout": IDLE}
        settings: dict[str, object] = {
            "sql_mode": "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
            "time_zone": "'+00:00'",
            "lc_messages": "'en_US'",
            "innodb_lock_wait_timeout": seconds,
            "lock_wait_timeout": seconds,
            **(longest if is_mariadb else {"max_execution_time": round(self._timeout * 1000)}),
        }
        return "SET SESSION " + ", ".join(f"{name} = {value}" for name, value in settings.items())

    def complaint(self, error: Exception, statement: Statement | None) -> Exception:
        if not isinstance(error, MySQLError):
            return Lost(type(error).__name__) if isinstance(error, BROKEN) else error
        number, state = error.args[0] if error.args else 0, str(error.sqlstate or "")
        if number in DUPLICATE:
            return Duplicate(broken_rule(str(error.args[-1]), statement))
        if number in CONFLICT:
            return Conflict()
        if number in FORBIDDEN:
            return Forbidden(str(number), str(error.args[-1]))
        if number in BUSY:
            return Busy(str(number))
        if number == ABSENT:
            return Absent(f"{number}: {statement!r}")
        if number not in READ_ONLY and (number in REFUSED or state[:2] in WRONG):
            return Refused(f"{number}: {statement!r}")
        return Lost(str(number or type(error).__name__))

    def lock(self, name: str) -> tuple[str, tuple[Any, ...]]:
        return "SELECT GET_LOCK(%s, 0)", (lock_name(name),)

    def notice(self, channel: str, text: str) -> None:
        return None

    def unlock(self, name: str) -> tuple[str, tuple[Any, ...]]:
        return "SELECT RELEASE_LOCK(%s)", (lock_name(name),)

    def unguarding(self, schema: str, table: str) -> tuple[str, tuple[Any, ...]]:
        """By the right to drop triggers or tables, as far as it is granted to the user and to no role."""
        return UNGUARDS, (schema, schema, table)


def broken_rule(text: str, statement: Statement | None) -> str:
    """The rule that a unique complaint speaks of: its last word is the index, with its table before it on MySQL."""
    found = re.search(r"'([^']*)'\s*$", text)
    index = found[1].rpartition(".")[2] if found else ""
    table = getattr(statement.core, "table", None) if statement else None
    return "id" if index == "PRIMARY" else rule_name(str(getattr(table, "name", "")), index)


def lock_name(name: str) -> str:
    """The same in at most 64 characters."""
    return name if len(name) <= LONGEST else hashlib.sha256(name.encode()).hexdigest()


def tls(url: URL) -> dict[str, object] | None:
    """What the URL says of TLS, as the driver takes it; without certificates to check by, nothing is checked."""
    options = {name.removeprefix("ssl_"): value for name, value in url.query.items() if name.startswith("ssl_")}
    return {**options, "check_hostname": options.get("check_hostname") != "false"} if options else None
