"""A MariaDB of our own: small; commits are with the kernel before they are answered, so that a kill loses nothing."""

import os
from typing import Any

import pymysql  # type: ignore[import-untyped]

from .database import DatabaseServer
from .programs import MARIADB
from .server import HOST, NotYet


class MariaDb(DatabaseServer):
    """A running MariaDB with one user, who may do anything."""

    recipe = MARIADB
    CREATE = "CREATE DATABASE {} CHARACTER SET utf8mb4"
    DROP = "DROP DATABASE IF EXISTS {}"

    def dsn(self, database: str = "") -> str:
        """user:password@tcp(host:port)/database"""
        return f"{self.USER}:{self.password}@tcp({self.address})/{database}"

    def url(self, database: str = "") -> str:
        """mysql://…"""
        return f"mysql://{self.USER}:{self.password}@{self.address}/{database}"

    def execute(self, statement: str, *values: object, database: str = "") -> list[tuple[Any, ...]]:
        """Run one statement, committed; its rows."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def connect(self, database: str = "") -> Any:
        """A connection that commits by itself."""
        return pymysql.connect(
            host=HOST,
            port=self.port,
            user=self.USER,
            password=self.password,
            database=database or None,
            autocommit=True,
            ssl_disabled=True,  # its context takes longer to make than all the rest
        )

    def prepare(self) -> None:
        shared = self.program.part("usr/share/m*/*_system_tables.sql").parent
        kind = self.program.part("usr/share/m*/*_system_tables.sql").name.partition("_")[0]
        tables = [(shared / f"{kind}_system_tables{more}.sql").read_text() for more in ("", "_data")]
        user = f"CREATE USER {self.USER}@'%' IDENTIFIED BY '{self.password}'"
        may = f"GRANT ALL ON *.* TO {self.USER}@'%' WITH GRANT OPTION"
        text = "\n".join(["CREATE DATABASE mysql;", "USE mysql;", *tables, "FLUSH PRIVILEGES;", f"{user};", f"{may};"])
        (self.folder / "first.sql").write_text(text)
        (self.folder / "data").mkdir()
        self.run((*self.command(), "--bootstrap"), given=self.folder / "first.sql")

    def command(self) -> tuple[str, ...]:
        shared = self.program.part("usr/share/m*/*_system_tables.sql").parent
        options = {
            "basedir": self.program.root / "usr",
            "lc-messages-dir": shared,
            "character-sets-dir": shared / "charsets",
            "datadir": self.folder / "data",
            "socket": self.folder / "socket",
            "pid-file": self.folder / "pid",
            "tmpdir": self.folder,
            "bind-address": HOST,
            "port": self.port,
            "performance-schema": "OFF",
            "innodb-buffer-pool-size": "32M",
            "innodb-log-file-size": "16M",
            "innodb-temp-data-file-path": "ibtmp1:1M:autoextend",
            "innodb-autoextend-increment": 1,
            "innodb-flush-method": "nosync",
            "innodb-flush-log-at-trx-commit": 2,
            "aria-pagecache-buffer-size": "4M",
            "key-buffer-size": "1M",
            "max-connections": 300,
        }
        user = ("--user=root",) if os.geteuid() == 0 else ()
        words = (f"--{name}={value}" for name, value in options.items())
        return (*self.program.command, "--no-defaults", *words, "--skip-name-resolve", *user)

    def ready(self) -> None:
        try:
            self.execute("SELECT 1")
        except pymysql.OperationalError as error:
            raise NotYet from error
