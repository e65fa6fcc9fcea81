"""`make bench`: what the registry promises, measured on SQLite and on servers of our own that wait for the disk.

`python -m tests.bench FLAG…` gives the flags to `router-control bench all`; without any it writes docs/benchmarks.md.
"""

import os
import subprocess
import sys
from contextlib import ExitStack
from typing import Final

from tests.house import ROOT
from tests.live.bench import COMMAND
from tests.servers.mariadb import MariaDb
from tests.servers.nats import QuietNats
from tests.servers.postgresql import PostgreSql

PAGE: Final = ROOT / "docs" / "benchmarks.md"


class DurablePostgreSql(PostgreSql):
    """A commit is on the disk before it is answered."""

    def command(self) -> tuple[str, ...]:
        return (*super().command(), "-c", "fsync=on")


class DurableMariaDb(MariaDb):
    """The same."""

    def command(self) -> tuple[str, ...]:
        return (*super().command(), "--innodb-flush-method=fsync", "--innodb-flush-log-at-trx-commit=1")


def main(*flags: str) -> int:
    """The exit code: 1 when a target is missed."""
    with ExitStack() as stack:
        servers = [stack.enter_context(kind.private()) for kind in (DurablePostgreSql, DurableMariaDb)]
        nats = stack.enter_context(QuietNats.private())
        databases = [stack.enter_context(server.database()) for server in servers]
        places = " ".join(["sqlite", *(database.dsn for database in databases)])
        words = (*COMMAND, "all", *(flags or ("--report", str(PAGE))))
        more = {"BENCH_ON": places, "NATS_ADDRESS": nats.url, "NATS_USER": nats.USER, "NATS_PASSWORD": nats.password}
        return subprocess.run(words, env={**os.environ, **more}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
