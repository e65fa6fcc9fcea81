"""What a test's world stands on: one SQLite file and calls in one process, or real servers.

`pytest` runs on the first; `pytest --on mariadb` and `pytest --on postgresql` run the same tests of worlds over
RabbitMQ, that engine and Redis.
"""

import json
import logging
import re
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

import pytest

from ringback.databases import remote
from ringback.kit.db import Database, Schemas, Statement
from ringback.kit.dsn import parse_dsn
from ringback.kit.rpc import Serve
from ringback.kit.sqlite import SqliteDatabase
from ringback.kit.uow import PATIENCE
from ringback.migrations import commands
from ringback.schema import ASTERISK_TABLES, OWN_TABLES
from ringback.settings import Settings
from tests.patience import ENOUGH

if TYPE_CHECKING:
    from tests.servers.database import Database as ServersDatabase

TABLES: Final = (*OWN_TABLES, *ASTERISK_TABLES)
GUARDED: Final = "ringback_audit"
NUMBERED: Final = ("registrar_outbox", "registrar_stale_keys", GUARDED)
"""Tables whose ids the database counts, and the one of them that lets nobody delete."""
Watch = Callable[[Statement], None]
Row = dict[str, Any]


class Ground(ABC):
    """The database of one world, or of several, and the way to them."""

    patience: ClassVar[float] = PATIENCE
    """Seconds of a verb."""

    @abstractmethod
    def settings(self, home: Path) -> dict[str, Any]:
        """What leads there."""

    @abstractmethod
    def open(self, settings: Settings, watch: Watch) -> Database:
        """A (further) connection."""

    @abstractmethod
    @contextmanager
    def talk(self) -> Iterator[Callable[..., list[Row]]]:
        """Somebody else's connection: text with `?` for its values, to rows in SQLite's spelling; one transaction."""

    @abstractmethod
    def tables(self) -> list[str]: ...

    @abstractmethod
    def refuse(self, name: str, action: str, table: str, when: str) -> None:
        """Let the database itself refuse an `action` (UPDATE, DELETE) on rows of which `when` is true."""

    @abstractmethod
    def allow(self, name: str, table: str) -> None:
        """After `refuse`."""

    @abstractmethod
    def allow_null(self) -> None:
        """Let every column of `ps_contacts` be NULL, as in Asterisk's own schema."""

    @abstractmethod
    def stored(self) -> bytes:
        """All that is in the database, or was and is in its file still."""

    async def reach(self, serve: Serve, stack: AsyncExitStack) -> Serve:
        """The way of a peer's request to the service."""
        return serve

    def analyze(self) -> None:  # noqa: B027 (only PostgreSQL plans by what it has counted a minute ago)
        """Let the database know how many rows there are now, as it would find out by itself."""

    def rest(self) -> None:  # noqa: B027 (servers keep their connection)
        """Nobody talks any more, for now."""


class File(Ground):
    """A SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._other: sqlite3.Connection | None = None

    def settings(self, home: Path) -> dict[str, Any]:
        if self.path == home / "ringback.db":
            return {}
        return dict.fromkeys(("database_dsn_bin", "database_dsn_asterisk"), f"sqlite:///{self.path}")

    def open(self, settings: Settings, watch: Watch) -> Database:
        return SqliteDatabase(settings.database_file, *TABLES, watch=watch)

    @contextmanager
    def talk(self) -> Iterator[Callable[..., list[Row]]]:
        if not self._other:  # kept: each connection reads the whole schema anew
            self._other = sqlite3.connect(self.path, timeout=0)
            self._other.row_factory = sqlite3.Row
        with self._other as other:
            yield lambda text, *values: [dict(row) for row in other.execute(text, values)]

    def rest(self) -> None:
        if self._other:
            self._other.close()
        self._other = None

    def tables(self) -> list[str]:
        with self.talk() as sql:
            found = sql(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
            )
        return [row["name"] for row in found]

    def refuse(self, name: str, action: str, table: str, when: str) -> None:
        with self.talk() as sql:
            sql(f"CREATE TRIGGER {name} BEFORE {action} ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, 'no'); END")

    def allow(self, name: str, table: str) -> None:
        with self.talk() as sql:
            sql(f"DROP TRIGGER {name}")

    def allow_null(self) -> None:
        with self.talk() as sql:
            sql("ALTER TABLE ps_contacts RENAME TO strict")
            sql("CREATE TABLE ps_contacts AS SELECT * FROM strict")
            sql("DROP TABLE strict")

    def stored(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.path.parent.glob(f"{self.path.name}*")))


class Servers(Ground):
    """Databases on a server, which are made once and emptied for each world; requests go through RabbitMQ."""

    patience = ENOUGH

    def __init__(self, amqp: str, redis: dict[str, Any], own: "ServersDatabase", asterisk: "ServersDatabase") -> None:
        """`amqp` is the broker's address, `redis` the settings of a Redis database."""
        self.amqp = amqp
        self.redis = redis
        self.own = own
        self.is_mariadb = own.url.startswith("mysql")
        if self.is_mariadb:
            self.schemas = Schemas(own.name, asterisk.name)
            self.dsns = [own.dsn, asterisk.dsn]
        else:
            self.schemas = Schemas("bin_manager", "asterisk")
            for schema in self.schemas:
                own.execute(f"CREATE SCHEMA {schema}")
            self.dsns = [f"{own.url}?search_path={schema}" for schema in self.schemas]
        for database, dsn in zip(commands.DATABASES[:2], self.dsns, strict=True):
            commands.upgrade(database, parse_dsn(dsn))
        commands.upgrade("router", parse_dsn(self.dsns[0]))
        self._other: Any = None
        self._ways = 0

    def settings(self, home: Path) -> dict[str, Any]:
        own, asterisk = self.dsns
        return {"database_dsn_bin": own, "database_dsn_asterisk": asterisk, **self.redis}

    def open(self, settings: Settings, watch: Watch) -> Database:
        return remote(settings, settings.databases[0], self.schemas, TABLES, watch)

    @contextmanager
    def talk(self) -> Iterator[Callable[..., list[Row]]]:
        self._other = self._other or self._connected()
        try:
            with self._other.cursor() as cursor:
                yield lambda text, *values: self._say(cursor, text, values)
        except BaseException:
            self._other.rollback()
            raise
        self._other.commit()

    def _connected(self) -> Any:
        connection: Any = self.own.server.connect(self.own.name)  # type: ignore[attr-defined]
        if self.is_mariadb:
            connection.autocommit(False)
        else:
            connection.execute(f"SET search_path = {', '.join(self.schemas)}")
            connection.autocommit = False
        return connection

    def _say(self, cursor: Any, text: str, values: tuple[Any, ...]) -> list[Row]:
        cursor.execute(self._spelt(text), tuple(map(self._given, values)) or None)
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchall() if names else ()
        found = (dict(zip(names, map(_as_sqlite, row), strict=True)) for row in rows)
        return [{name: value for name, value in row.items() if name != "live"} for row in found]

    def tables(self) -> list[str]:
        return sorted(table.name for metadata in TABLES for table in metadata.tables.values())

    def analyze(self) -> None:
        if not self.is_mariadb:
            with self.talk() as sql:
                sql("ANALYZE")

    def empty(self) -> None:
        held = " UNION ALL ".join(f"(SELECT '{table}' AS name FROM {table} LIMIT 1)" for table in self.tables())
        with self.talk() as sql:
            for row in sql(held):
                if row["name"] not in NUMBERED:
                    sql(f"DELETE FROM {row['name']}")
            for state in () if self.is_mariadb else ("DISABLE", "ENABLE"):
                sql(f"ALTER TABLE {GUARDED} {state} TRIGGER USER")
                if state == "DISABLE":
                    sql(f"TRUNCATE TABLE {', '.join(NUMBERED)} RESTART IDENTITY")
            for table in NUMBERED if self.is_mariadb else ():
                sql(f"TRUNCATE TABLE {table}")

    def refuse(self, name: str, action: str, table: str, when: str) -> None:
        with self.talk() as sql:
            if self.is_mariadb:
                no = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'"
                sql(f"CREATE TRIGGER {name} BEFORE {action} ON {table} FOR EACH ROW IF {when} THEN {no}; END IF")
                return
            when = when.replace(" x'", " '")  # an id
            body = f"BEGIN IF {when} THEN RAISE EXCEPTION 'no'; END IF; RETURN COALESCE(NEW, OLD); END"
            sql(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
            sql(f"CREATE TRIGGER {name} BEFORE {action} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")

    def allow(self, name: str, table: str) -> None:
        with self.talk() as sql:
            sql(f"DROP TRIGGER IF EXISTS {name}" if self.is_mariadb else f"DROP FUNCTION IF EXISTS {name} CASCADE")

    def allow_null(self) -> None:
        """They may be already."""

    def stored(self) -> bytes:
        with self.talk() as sql:
            return repr([sql(f"SELECT * FROM {table}") for table in self.tables()]).encode()

    def close(self) -> None:
        if self._other:
            self._other.close()

    async def reach(self, serve: Serve, stack: AsyncExitStack) -> Serve:
        from ringback.transports.amqp import Broker, Topology
        from tests.live.amqp import Peer

        self._ways += 1
        names = Topology.of("registrar-manager", requests=f"requests.{self.own.name}.{self._ways}")
        broker = Broker(self.amqp, names)
        broker.serve(serve)
        await broker.start()
        stack.push_async_callback(broker.close)
        stack.push_async_callback(broker.drain, 5.0)
        peer = await stack.enter_async_context(Peer.at(self.amqp))
        return lambda envelope: peer.ask(envelope, names.requests)

    def _spelt(self, text: str) -> str:
        text = text.replace("%", "%%").replace("?", "%s")
        if not self.is_mariadb:
            return text
        text = re.sub(r"(?<!\.)\bps_[a-z]+\b", lambda found: f"{self.schemas.asterisk}.{found[0]}", text)
        return re.sub(r"\bkey\b", "`key`", text)

    def _given(self, value: Any) -> Any:
        is_id = isinstance(value, bytes) and len(value) == 16
        return UUID(bytes=value) if is_id and not self.is_mariadb else value


def _as_sqlite(value: Any) -> Any:
    """A value as SQLite would have given it."""
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"))
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral() else float(value)
    return value


NewGround = Callable[[int, Path], Ground]
"""A ground for the world of that number of a test, whose home is there."""


def files(template: Path) -> NewGround:
    """Grounds that are copies of an empty SQLite file."""
    return lambda number, home: File(Path(shutil.copy(template, home / "ringback.db")))


class OnServers:
    """Grounds on real servers, as many as one test wants at once; the next test has the same, emptied."""

    def __init__(self, request: pytest.FixtureRequest, engine: str, stack: ExitStack) -> None:
        self._server = request.getfixturevalue(engine)
        self._broker = request.getfixturevalue("rabbitmq")
        self._redis = request.getfixturevalue("redis_server")
        self._stack = stack
        self._vhost = stack.enter_context(self._broker.vhost())
        self._made: list[Servers] = []
        for theirs in ("aio_pika", "aiormq"):  # the log of a peer is not ours
            logging.getLogger(theirs).setLevel(logging.WARNING)

    def __call__(self, number: int, home: Path) -> Ground:
        while len(self._made) <= number:
            self._made.append(self._new())
        ground = self._made[number]
        ground.empty()
        with self._redis.client(ground.redis["redis_database"]) as client:
            client.flushdb()
        return ground

    def _new(self) -> Servers:
        number = self._stack.enter_context(self._redis.database())
        redis = {"redis_address": self._redis.address, "redis_password": self._redis.password, "redis_database": number}
        own, asterisk = (self._stack.enter_context(self._server.database()) for _ in range(2))
        made = Servers(self._broker.url(self._vhost), redis, own, asterisk)
        self._stack.callback(made.close)
        return made
