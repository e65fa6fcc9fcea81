"""A PostgreSQL of our own: it does not wait for a disk, and a kill loses nothing that the kernel has."""

import os
from collections.abc import Mapping
from typing import Any

import psycopg

from .database import DatabaseServer
from .programs import POSTGRESQL
from .server import HOST, NotYet

NOBODY = 65534


class PostgreSql(DatabaseServer):
    """A running PostgreSQL with one user, who may do anything. It refuses to run as root, so then it runs as nobody."""

    recipe = POSTGRESQL
    CREATE = "CREATE DATABASE {}"
    DROP = "DROP DATABASE IF EXISTS {} WITH (FORCE)"
    uid = NOBODY if os.geteuid() == 0 else None

    def url(self, database: str = "") -> str:
        """postgresql://…"""
        return f"postgresql://{self.USER}:{self.password}@{self.address}/{database or 'postgres'}"

    def dsn(self, database: str = "") -> str:
        """The same: PostgreSQL has no other spelling."""
        return self.url(database)

    def execute(self, statement: str, *values: object, database: str = "") -> list[tuple[Any, ...]]:
        """Run one statement, committed; its rows."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def connect(self, database: str = "") -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection that commits by itself."""
        return psycopg.connect(self.url(database), autocommit=True)

    def environment(self) -> Mapping[str, str]:
        locales = self.program.root / "usr/lib/locale"
        return {**super().environment(), **({"LOCPATH": str(locales)} if self.program.unpacked else {})}

    def prepare(self) -> None:
        secret = self.folder / "secret"
        secret.write_text(self.password)
        secret.chmod(0o644)  # in a folder that only its user may enter
        programs = self.program.path.parent
        command: tuple[str, ...] = (str(programs / "initdb"),)
        if self.program.unpacked:
            command = self.program.copied(programs / "initdb", self.program.wrapped(self.program.path))
            command += ("-L", str(self.program.part("usr/share/postgresql/*/postgres.bki").parent))
        words = ("--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256")
        self.run((*command, *words, f"--username={self.USER}", f"--pwfile={secret}", "-D", str(self.folder / "data")))

    def command(self) -> tuple[str, ...]:
        settings = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
            "dynamic_shared_memory_type": "mmap",
            "max_connections": 200,
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        words = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        return (*self.program.command, "-D", str(self.folder / "data"), *words)

    def ready(self) -> None:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError as error:
            raise NotYet from error
