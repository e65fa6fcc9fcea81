"""What a node of the router stands on in a test: a SQLite file, or with `--on` a database of a real server."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ringback.databases import remote
from ringback.kit.db import Database, Schemas, Statement
from ringback.kit.dsn import parse_dsn
from ringback.kit.sqlite import SqliteDatabase
from ringback.knobs import load
from ringback.migrations import commands
from ringback.schema import OWN_TABLES, ROUTER_TABLES
from ringback.settings import Settings

if TYPE_CHECKING:
    from tests.servers.database import Database as ServersDatabase

TABLES: Final = (*OWN_TABLES, *ROUTER_TABLES)
EMPTIED: Final = (
    "extension_health", "extension_revisions", "extension_audit_log", "router_policies", "router_nodes", "extensions",
    "registrar_outbox", "registrar_meta", "registrar_customers",
)  # fmt: skip
FIRST: Final = "id, type, subject, timeout_ms, retry, config, created_by, updated_by"
"""What the migration writes of the initial rows."""
GUARDS: Final = (
    "SELECT trigger_name, event_manipulation, action_statement FROM information_schema.triggers "
    "WHERE trigger_schema = DATABASE() AND event_object_table = 'extension_audit_log'"
)
AGAIN: Final = "INTO extension_audit_log SELECT * FROM extension_audit_log WHERE id = 1"
FURTHER_HARM: Final = {
    "mariadb": (f"REPLACE {AGAIN}", f"INSERT {AGAIN} ON DUPLICATE KEY UPDATE source = 'x'"),
    "postgresql": ("TRUNCATE TABLE extension_audit_log", f"INSERT {AGAIN} ON CONFLICT (id) DO UPDATE SET source = 'x'"),
}
Rows = list[dict[str, Any]]
Watch = Callable[[Statement], None]


class Ground(ABC):
    """The database of the nodes of one test."""

    further_harm: tuple[str, ...] = ()
    """What else this engine must not do to the audit log."""

    @abstractmethod
    def open(self, watch: Watch) -> Database:
        """A (further) node's way to it."""

    @abstractmethod
    def sql(self, text: str, *values: Any) -> Rows:
        """What somebody with a SQL client sees, or does; `?` stands for a value."""

    @abstractmethod
    def unguard(self) -> None:
        """Let somebody do to the audit log what nobody may."""


class File(Ground):
    """A SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, watch: Watch) -> Database:
        return SqliteDatabase(self.path, *TABLES, watch=watch)

    def sql(self, text: str, *values: Any) -> Rows:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.row_factory = sqlite3.Row
            return [dict(row) for row in other.execute(text, values)]

    def unguard(self) -> None:
        for trigger in ("update", "delete", "insert"):
            self.sql(f"DROP TRIGGER extension_audit_log_{trigger}")


class OnServer(Ground):
    """A database that is made by the migrations once, and brought back to that state for each test."""

    def __init__(self, database: "ServersDatabase", **more: Any) -> None:
        self.database = database
        self.is_mariadb = database.url.startswith("mysql")
        self.further_harm = FURTHER_HARM["mariadb" if self.is_mariadb else "postgresql"]
        self.settings: Settings = load({f"database_dsn_{name}": database.dsn for name in ("bin", "asterisk")} | more)
        for name in ("bin", "router"):
            commands.upgrade(name, parse_dsn(database.dsn))
        self._connection: Any = None
        self._guards = self.sql(GUARDS) if self.is_mariadb else []
        self.sql(f"CREATE TABLE first_rows AS SELECT {FIRST} FROM extensions")

    def open(self, watch: Watch) -> Database:
        schema = self.database.name if self.is_mariadb else "public"
        url = parse_dsn(self.database.dsn)
        return remote(self.settings, url, Schemas(schema, schema), TABLES, watch)

    def sql(self, text: str, *values: Any) -> Rows:
        with self._other().cursor() as cursor:
            text = text.replace("%", "%%").replace("?", "%s") if values else text
            cursor.execute(text, values or None)
            names = [column[0].lower() for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in (cursor.fetchall() if names else ())]

    def _other(self) -> Any:
        self._connection = self._connection or self.database.server.connect(self.database.name)  # type: ignore[attr-defined]
        return self._connection

    def unguard(self) -> None:
        if self.is_mariadb:
            for guard in self._guards:
                self.sql(f"DROP TRIGGER {guard['trigger_name']}")
        else:
            self.sql("ALTER TABLE extension_audit_log DISABLE TRIGGER USER")

    def refresh(self) -> None:
        """As the migrations left it."""
        if self.is_mariadb:
            self.sql("SET foreign_key_checks = 0")
            for table in EMPTIED:
                self.sql(f"TRUNCATE TABLE {table}")
            for name, event, action in (guard.values() for guard in self._guards):
                self.sql(f"DROP TRIGGER IF EXISTS {name}")
                self.sql(f"CREATE TRIGGER {name} BEFORE {event} ON extension_audit_log FOR EACH ROW {action}")
            self.sql("SET foreign_key_checks = 1")
        else:
            self.sql("ALTER TABLE extension_audit_log DISABLE TRIGGER USER")
            self.sql(f"TRUNCATE TABLE {', '.join(EMPTIED)}")
            self.sql("ALTER TABLE extension_audit_log ENABLE TRIGGER USER")
        self.sql(f"INSERT INTO extensions ({FIRST}) SELECT {FIRST} FROM first_rows")
        zeros = "0" * 64
        self.sql("UPDATE registry_revision SET revision = 0, checksum = ?, audit_id = 0, audit_hash = ?", zeros, zeros)

    def close(self) -> None:
        if self._connection:
            self._connection.close()
