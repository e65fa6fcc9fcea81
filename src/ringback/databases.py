"""Where the databases are, how they are opened, and whether their schema is this version's."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL

from ringback.kit.db import Database, Statement
from ringback.kit.errors import CannotStart
from ringback.kit.sqlite import SqliteDatabase
from ringback.migrations import commands
from ringback.schema import ASTERISK_TABLES, OWN_TABLES
from ringback.settings import Settings

Watch = Callable[[Statement], None]


@dataclass(frozen=True, slots=True)
class Opened:
    """The databases as one; `behind` is set when Asterisk's tables, on another server, did not follow a change."""

    database: Database
    behind: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def opened(settings: Settings, watch: Watch | None = None) -> AsyncIterator[Opened]:
    """The databases of the settings while inside; `CannotStart` unless they are there and their schema is today's."""
    require_schema(settings)
    found = await connect(settings, watch)
    try:
        yield found
    finally:
        found.database.close()


async def connect(settings: Settings, watch: Watch | None = None) -> Opened:
    """The same without a look at the schema, and to be closed by the caller."""
    return Opened(SqliteDatabase(settings.database_file, *OWN_TABLES, *ASTERISK_TABLES, watch=watch))


def places(settings: Settings) -> Mapping[commands.Name, URL]:
    """Where each of the databases is that have migrations."""
    own, asterisk = settings.databases
    return {"bin": own, "asterisk": asterisk}


def lock_of(file: Path) -> Path:
    """The lock that a server holds on its SQLite file."""
    return file.with_name(f"{file.name}.lock")


def require_schema(settings: Settings) -> None:
    """`CannotStart` with the command to run, unless the databases are there and up to date."""
    if settings.is_embedded and not settings.database_file.exists():
        file = settings.database_file
        raise CannotStart(f"there is no database at {file} yet: 'ringback up' or 'ringback db upgrade' makes it")
    for database, url in places(settings).items():
        if not commands.is_current(database, url):
            where = url.database if settings.is_embedded else f"{url.database} (database_dsn_{database})"
            raise CannotStart(f"the schema of {where} is not this version's: run 'ringback db upgrade'")


def make_schema(file: Path) -> None:
    """Bring the SQLite file up to date; the embedded default upgrades itself. A new file is its owner's alone."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise CannotStart(f"the database {file} cannot be used: {error.strerror}") from None
    url = URL.create("sqlite", database=str(file))
    for database in commands.DATABASES:
        if not commands.is_current(database, url):
            commands.upgrade(database, url)
