"""A database of one's own on a server, made and dropped in milliseconds."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import uuid4

from .server import Server


class DatabaseServer(Server):
    """What MariaDB and PostgreSQL have in common."""

    CREATE: ClassVar[str]
    DROP: ClassVar[str]

    @abstractmethod
    def dsn(self, database: str = "") -> str:
        """Where a database is, as the operators of this engine write it."""

    @abstractmethod
    def url(self, database: str = "") -> str:
        """Where a database is, as a URL."""

    @abstractmethod
    def execute(self, statement: str, *values: object, database: str = "") -> list[tuple[Any, ...]]:
        """Run one statement with `%s` for its values, committed; its rows."""

    @contextmanager
    def database(self) -> Iterator["Database"]:
        """A new empty one; dropped afterwards, whoever is connected to it."""
        one = Database(self)
        self.execute(self.CREATE.format(one.name))
        try:
            yield one
        finally:
            self.execute(self.DROP.format(one.name))


@dataclass(frozen=True, slots=True)
class Database:
    """A database, and the server that it is on."""

    server: DatabaseServer
    name: str = field(default_factory=lambda: f"t{uuid4().hex[:12]}")

    @property
    def dsn(self) -> str:
        """user:password@tcp(host:port)/name on MariaDB, a URL on PostgreSQL"""
        return self.server.dsn(self.name)

    @property
    def url(self) -> str:
        """mysql://… or postgresql://…"""
        return self.server.url(self.name)

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement with `%s` for its values, committed; its rows."""
        return self.server.execute(statement, *values, database=self.name)
