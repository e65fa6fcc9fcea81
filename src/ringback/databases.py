"""Where the databases are, how they are opened, and whether their schema is this version's."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import URL, MetaData

from ringback.kit.awaited import Awaited
from ringback.kit.db import Database, Refused, Schemas, Statement
from ringback.kit.deadline import Deadline
from ringback.kit.errors import CannotStart, DatabaseAway, DatabaseUnavailable
from ringback.kit.link import Busy, Engine, Line, Link, Lost
from ringback.kit.pair import Pair
from ringback.kit.remote import RemoteDatabase, told
from ringback.kit.rights import WRITES, Lack, Wanted, lacking, may_unguard
from ringback.kit.sqlite import SqliteDatabase
from ringback.migrations import commands
from ringback.router import tables as router
from ringback.schema import ASTERISK_TABLES, OWN_TABLES, ROUTER_TABLES
from ringback.settings import Settings
from ringback.sip import asterisk

log = structlog.get_logger()

Watch = Callable[[Statement], None]
LACKS: Final = "its user must be granted"
OWNER: Final = (
    "the user of database_dsn_bin could take the guards off extension_audit_log: run Ringback as one that does not own "
    "the tables, and 'ringback db upgrade' as the one that does (docs/servers.md)"
)
LOOKING: Final = 10.0
"""Seconds that a look around may take to be let in, and then in all: a start is not as much in a hurry as a request."""
OWN_RIGHTS: Final = {table: WRITES for metadata in OWN_TABLES for table in metadata.sorted_tables}


@dataclass(frozen=True, slots=True)
class Opened:
    """The databases as one; `behind` is set when Asterisk's tables, on another server, did not follow a change."""

    database: Database
    behind: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def opened(
    settings: Settings, watch: Watch | None = None, *, writes: bool = True, serves: bool = False
) -> AsyncIterator[Opened]:
    """The databases of the settings while inside.

    `CannotStart` unless they are there, their schema is today's, and who `writes` may do so. Who `serves` is warned.
    """
    require_schema(settings)
    found = await connect(settings, watch, writes=writes)
    if serves:
        await warn_of_owner(settings)
    try:
        yield found
    finally:
        found.database.close()


@asynccontextmanager
async def awaited(settings: Settings) -> AsyncIterator[Opened]:
    """The same for who has something to do without them: while nobody answers there, it goes on, and looks again."""

    async def open() -> Database:
        await asyncio.to_thread(require_schema, settings)
        found = await connect(settings)
        await warn_of_owner(settings)
        return found.database

    database = Awaited(open)
    try:
        async with asyncio.timeout(LOOKING):
            await database.there()
    except (DatabaseAway, DatabaseUnavailable, TimeoutError) as error:
        log.error("the database is away", action="start", error=str(error) or "no answer yet")
    try:
        yield Opened(database)
    finally:
        database.close()


async def connect(settings: Settings, watch: Watch | None = None, *, writes: bool = True) -> Opened:
    """The same without a look at the schema, and to be closed by the caller.

    Where one server has both and lets us write both, they are one database, with one transaction for both.
    """
    if settings.is_embedded:
        return Opened(
            SqliteDatabase(settings.database_file, *OWN_TABLES, *ASTERISK_TABLES, *ROUTER_TABLES, watch=watch)
        )
    own, theirs = settings.databases
    schemas = Schemas(await _schema(own, settings), await _schema(theirs, settings))
    wanted = {**OWN_RIGHTS, **(router.RIGHTS if settings.runs("router-manager") else {})}
    if writes and (lack := await _lack(own, settings, schemas, wanted)):
        raise CannotStart(f"database_dsn_bin: {LACKS} {lack}")
    if not settings.has_registrar:
        return Opened(remote(settings, own, schemas, OWN_TABLES + ROUTER_TABLES, watch))
    if is_one_server(own, theirs):
        if not (why := await _why_two(own, settings, schemas)):
            log.info("one transaction for both databases", action="start")
            every = OWN_TABLES + ASTERISK_TABLES + ROUTER_TABLES
            return Opened(remote(settings, own, schemas, every, watch))
        log.info("the user of database_dsn_bin may not write both databases", action="start", why=why)
    if writes:
        await _require_followed(theirs, settings, schemas)
    log.info("the database of Asterisk follows ours", action="start")
    behind = asyncio.Event()
    first = remote(settings, own, Schemas(schemas.own, schemas.own), OWN_TABLES + ROUTER_TABLES, watch)
    second = remote(settings, theirs, Schemas(schemas.asterisk, schemas.asterisk), ASTERISK_TABLES, watch)
    return Opened(Pair(first, second, behind.set), behind)


async def _why_two(own: URL, settings: Settings, schemas: Schemas) -> str | None:
    """Why the user of our own database cannot write Asterisk's tables in the same transaction; `None` if it can."""
    try:
        lack = await _lack(own, settings, schemas, asterisk.RIGHTS)
    except Refused as error:  # a proxy may lead its users to servers of their own
        return str(error)
    return str(lack) if lack else None


async def _require_followed(theirs: URL, settings: Settings, schemas: Schemas) -> None:
    """`CannotStart` if Asterisk's tables could never follow ours. While that database is away, nobody can say so."""
    try:
        lack = await _lack(theirs, settings, schemas, asterisk.RIGHTS)
    except DatabaseUnavailable:
        log.warning("the rights of database_dsn_asterisk are not known, since it is away", action="start")
        return
    if lack:
        raise CannotStart(f"database_dsn_asterisk: {LACKS} {lack}")


async def _lack(url: URL, settings: Settings, schemas: Schemas, wanted: Wanted) -> Lack | None:
    """What its user may not do; `DatabaseUnavailable` while nobody can say."""
    async with _looking(url, settings) as (engine, line, deadline):
        return await lacking(engine, line, schemas, wanted, deadline)


async def lack_of(url: URL, settings: Settings, wanted: Wanted) -> Lack | None:
    """What that user, whoever it is, may not do with tables that all stand where the URL leads."""
    schema = await _schema(url, settings)
    return await _lack(url, settings, Schemas(schema, schema), wanted)


async def warn_of_owner(settings: Settings) -> None:
    """Say so where the audit log is guarded against everybody but a process that writes it (router 2.1)."""
    if settings.is_embedded or not settings.runs("router-manager"):
        return
    own, _ = settings.databases
    schema = await _schema(own, settings)
    async with _looking(own, settings) as (engine, line, deadline):
        if await may_unguard(engine, line, Schemas(schema, schema), router.audit_log, deadline):
            log.warning(OWNER, action="start")


@asynccontextmanager
async def _looking(url: URL, settings: Settings) -> AsyncIterator[tuple[Engine, Line, float]]:
    """A connection to look around by, and until when."""
    engine = _engine(url, settings)
    async with _link(url, settings) as link:
        deadline = asyncio.get_running_loop().time() + max(LOOKING, settings.database_timeout)
        try:
            yield engine, Line(engine, link), deadline
        except (Busy, Lost) as error:
            raise told(error) from None


def is_one_server(own: URL, asterisk: URL) -> bool:
    """Whether one connection reaches both: databases of one MariaDB, schemas of one PostgreSQL database."""
    names = (
        ("drivername", "host", "port")
        if own.get_backend_name() == "mysql"
        else ("drivername", "host", "port", "database")
    )
    return all(getattr(own, name) == getattr(asterisk, name) for name in names)


def remote(
    settings: Settings, url: URL, schemas: Schemas, tables: tuple[MetaData, ...], watch: Watch | None
) -> RemoteDatabase:
    """The tables in those schemas of one server."""
    timeout = settings.database_timeout
    engine = _engine(url, settings)
    return RemoteDatabase(engine, schemas, *tables, size=settings.database_pool_size, timeout=timeout, watch=watch)


def _engine(url: URL, settings: Settings) -> Engine:
    """The driver of a server; each takes time to import, which those without need not wait for."""
    if url.get_backend_name() == "mysql":
        from ringback.kit.mariadb import MariaDb

        return MariaDb(url, settings.database_timeout)
    from ringback.kit.postgres import Postgres

    return Postgres(url, settings.database_timeout)


async def _schema(url: URL, settings: Settings) -> str:
    """The schema that a URL names, or that the server takes without one."""
    if named := url.query.get("search_path") if url.get_backend_name() == "postgresql" else url.database:
        return str(named)
    async with _link(url, settings) as link:
        ((found,),) = (await link.execute("SELECT current_schema()", None)).rows
    return str(found)


@asynccontextmanager
async def _link(url: URL, settings: Settings) -> AsyncIterator[Link]:
    engine = _engine(url, settings)
    try:
        with Deadline.after(LOOKING):
            link = await engine.open()
    except TimeoutError:
        raise told(Lost("timeout")) from None
    except Exception as error:
        raise told(engine.complaint(error, None)) from None
    try:
        yield link
    finally:
        link.close()


def places(settings: Settings) -> Mapping[commands.Name, URL]:
    """Where each of the databases is that have migrations."""
    own, asterisk = settings.databases
    beside: Mapping[commands.Name, URL] = {"asterisk": asterisk} if settings.has_registrar else {}
    return {"bin": own, **beside, "router": own}


def lock_of(file: Path) -> Path:
    """The lock that a server holds on its SQLite file."""
    return file.with_name(f"{file.name}.lock")


def require_schema(settings: Settings) -> None:
    """`CannotStart` with the command to run, unless the databases are there and up to date."""
    if settings.is_embedded and not settings.database_file.exists():
        file = settings.database_file
        raise CannotStart(f"there is no database at {file} yet: 'ringback up' or 'ringback db upgrade' makes it")
    for database, url in places(settings).items():
        is_needed = database != "router" or settings.runs("router-manager") or not settings.has_registrar
        if is_needed and not commands.is_current(database, url):
            if question := commands.strange(database, places(settings)):
                raise CannotStart(f"{question} If it is, 'ringback db upgrade --force' makes ours beside them")
            where = url.database if settings.is_embedded else f"{commands.named(url)} ({commands.setting_of(database)})"
            raise CannotStart(f"the schema of {where} is not this version's: run 'ringback db upgrade'")


def make_schema(file: Path) -> None:
    """Bring the SQLite file up to date; the embedded default upgrades itself."""
    make_file(file)
    url = URL.create("sqlite", database=str(file))
    for database in commands.DATABASES:
        if not commands.is_current(database, url):
            commands.upgrade(database, url)


def make_file(file: Path) -> None:
    """Make the SQLite file where there is none, its owner's alone."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise CannotStart(f"the database {file} cannot be used: {error.strerror}") from None
