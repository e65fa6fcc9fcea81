"""Where the servers' programs are: installed on this machine, or unpacked from Debian's packages beside Asterisk."""

import re
import sys
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from ringback.demo.install import CACHE, Recipe, Unusable, first, said
from ringback.kit.files import replace

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Program:
    """A server that can be started; its command is the program, behind its own loader when it is unpacked."""

    command: tuple[str, ...]
    version: str
    root: Path
    """The root of the file system that its parts are in."""

    @property
    def path(self) -> Path:
        """The program itself."""
        return Path(self.command[-1])

    @property
    def unpacked(self) -> bool:
        """Whether it needs its own loader."""
        return len(self.command) > 1

    def beside(self, path: Path) -> tuple[str, ...]:
        """The command of another program that came with it."""
        return (*self.command[:-1], str(path))

    def part(self, *patterns: str) -> Path:
        """A file or folder of it. Raises Unusable."""
        if found := first(self.root, *patterns):
            return Path(found)
        raise Unusable(f"{self.path.name} {self.version} has no {patterns[0]}")

    def wrapped(self, *programs: Path) -> Path:
        """A folder where these can be called by their names, without saying their loader: for who starts them."""
        folder = self.root / "wrapped"
        folder.mkdir(exist_ok=True)
        for program in programs:
            words = " ".join(f"'{word}'" for word in self.beside(program))
            script, text = folder / program.name, f'#!/bin/sh\nexec {words} "$@"\n'.encode()
            if not script.is_file() or script.read_bytes() != text:
                replace(script, text, 0o755)
        return folder

    def copied(self, program: Path, folder: Path) -> tuple[str, ...]:
        """The command of a copy in that folder, of a program that looks for others beside itself."""
        copy = folder / program.name
        if not copy.is_file() or copy.stat().st_size != program.stat().st_size:
            replace(copy, program.read_bytes(), 0o755)
        return self.beside(copy)


def inspect_mariadb(command: tuple[str, ...], root: Path) -> Program:
    """MariaDB, and what its system tables are made of."""
    version = re.search(r"Ver (\S+?)-MariaDB", said(command, "--version"))
    if version is None:
        raise Unusable("this is no MariaDB")
    program = Program(command, version[1], root)
    program.part("usr/share/m*/mysql_system_tables.sql", "usr/share/m*/mariadb_system_tables.sql")
    return program


def inspect_postgresql(command: tuple[str, ...], root: Path) -> Program:
    """PostgreSQL, and the program beside it that makes a data folder."""
    version = re.search(r"PostgreSQL\) (\S+)", said(command, "--version"))
    if version is None:
        raise Unusable("this is no PostgreSQL")
    path = Path(command[-1]).resolve()
    if not path.with_name("initdb").is_file():
        raise Unusable(f"PostgreSQL {version[1]} has no initdb")
    return Program((*command[:-1], str(path)), version[1], root)


def inspect_rabbitmq(command: tuple[str, ...], root: Path) -> Program:
    """The Erlang that runs RabbitMQ, and its own folder of the same name as its version."""
    home = first(root, "usr/lib/rabbitmq/lib/rabbitmq_server-*")
    if not home:
        raise Unusable("there is no RabbitMQ for this Erlang")
    program = Program(command, home.rpartition("-")[2], root)
    program.part("usr/lib/erlang/erts-*/bin/erl_call")
    return program


def inspect_redis(command: tuple[str, ...], root: Path) -> Program:
    """Redis, or Valkey where it goes by that name."""
    version = re.search(r"v=(\S+)", said(command, "--version"))
    if version is None:
        raise Unusable("this is no Redis")
    return Program(command, version[1], root)


def inspect_nats(command: tuple[str, ...], root: Path) -> Program:
    """NATS."""
    version = re.search(r"nats-server: v(\S+)", said(command, "--version"))
    if version is None:
        raise Unusable("this is no NATS")
    return Program(command, version[1], root)


MARIADB = Recipe(
    name="MariaDB",
    program="mariadbd",
    inspect=inspect_mariadb,
    suites=dict.fromkeys(("bookworm", "trixie"), ("mariadb-server-core",)),
    libraries=(),
    otherwise="install mariadb-server yourself",
)

POSTGRESQL = Recipe(
    name="PostgreSQL",
    program="postgres",
    inspect=inspect_postgresql,
    suites={"bookworm": ("postgresql-15",), "trixie": ("postgresql-17",)},
    libraries=(),
    otherwise="install postgresql yourself",
    places=("usr/lib/postgresql/*/bin/postgres",),
)

RABBITMQ = Recipe(
    name="RabbitMQ",
    program="rabbitmq",
    inspect=inspect_rabbitmq,
    suites=dict.fromkeys(("bookworm", "trixie"), ("rabbitmq-server",)),
    libraries=(),
    otherwise="install rabbitmq-server yourself",
    places=("usr/lib/erlang/erts-*/bin/beam.smp",),
)

REDIS = Recipe(
    name="Redis",
    program="redis-server",
    inspect=inspect_redis,
    suites=dict.fromkeys(("bookworm", "trixie"), ("redis-server",)),
    libraries=(),
    otherwise="install redis-server yourself",
    places=("usr/bin/redis-server",),
)

NATS = Recipe(
    name="NATS",
    program="nats-server",
    inspect=inspect_nats,
    suites=dict.fromkeys(("bookworm", "trixie"), ("nats-server",)),
    libraries=(),
    otherwise="install nats-server yourself",
    places=("usr/sbin/nats-server", "usr/bin/nats-server"),
)

ALL = (RABBITMQ, MARIADB, POSTGRESQL, REDIS, NATS)


@cache
def obtained(recipe: Recipe[Program]) -> Program:
    """The program of this machine, fetched if there is none. Raises Unusable."""
    return recipe.obtain(ROOT / CACHE, partial(print, file=sys.stderr, flush=True))
