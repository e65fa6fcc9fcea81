"""What the databases say: there, of this version, with our rights, and how far behind what follows them is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Final

from ringback.app import Ringback, assemble
from ringback.calls import service as routing
from ringback.calls.records import service as records
from ringback.config_checks import made_again
from ringback.databases import connect, places, require_schema
from ringback.doctor.given import Given
from ringback.kit import inbox, outbox
from ringback.kit.checks import Check, ok, problem, unknown, warning
from ringback.kit.errors import CannotStart, DatabaseAway, DatabaseUnavailable, TableMissing
from ringback.migrations import commands
from ringback.registrar import meta
from ringback.registrar.drift.finding import Comparison
from ringback.registrar.meta import require_same
from ringback.registrar.realms import service as realms
from ringback.registrar.work import Uow
from ringback.schema import ASTERISK_TABLES, OWN_TABLES
from ringback.settings import Settings
from ringback.sip import cel
from ringback.sip.func_odbc import VIEWS

LATE, STUCK = timedelta(seconds=60), timedelta(minutes=10)
"""How long an event may wait for the relay."""
PATIENCE: Final = 20.0
"""Seconds for one look: a hundred thousand rows are compared in that time."""
SKEW: Final = timedelta(seconds=5)
REACHABLE: Final = "is the server up, are host, port, user and password right, and does a firewall let us through?"


async def schema(given: Given) -> list[Check]:
    """There, and of this version."""
    assert given.settings
    settings = given.settings
    try:
        await asyncio.to_thread(require_schema, settings)
    except DatabaseAway as error:
        return [problem("database", str(error), REACHABLE)]
    except CannotStart as error:
        do = "do what it says" if "db upgrade" in str(error) else "restore it from a backup, or name another"
        return [problem("database", str(error), do)]
    own, theirs = settings.databases
    where = (
        str(settings.database_file)
        if settings.is_embedded
        else " and ".join(
            f"{url.get_backend_name()} at {url.host or 'a socket'}" for url in dict.fromkeys((own, theirs))
        )
    )
    return [ok("database", f"The schema of {where} is this version's")]


async def tables(given: Given) -> list[Check]:
    """All are there that a database of this version has."""
    assert given.settings
    if lost := await asyncio.to_thread(_lost, given.settings):
        seen = f"The database says that it is this version's, and has no {', '.join(lost)}"
        return [problem("tables", seen, made_again(lost))]
    return [ok("tables", "All tables and views are there")]


def _lost(settings: Settings) -> list[str]:
    """Tables and views that somebody has taken away."""
    tables = {"bin": OWN_TABLES, "asterisk": ASTERISK_TABLES}
    found = []
    for database, url in places(settings).items():
        names = [table.name for metadata in tables.get(database, ()) for table in metadata.sorted_tables]
        found += commands.missing(database, url, [*names, *(VIEWS if database == "bin" else ())])
    return found


async def contents(given: Given) -> list[Check]:
    """What is in them, looked at one by one."""
    assert given.settings
    try:
        async with opened(given) as ringback:
            rights = ok("rights", "The users of the databases have the rights that are needed")
            looks = (recorded, clock, relay, dead, calls, screened, drift, believed, left_over)
            return [rights, *[await _looked(look, ringback) for look in looks]]
    except CannotStart as error:
        return [problem("rights", str(error), "grant it (docs/servers.md)")]


@asynccontextmanager
async def opened(given: Given) -> AsyncIterator[Ringback]:
    """Everything but what starts and listens."""
    assert given.settings
    found = await connect(given.settings)
    try:
        async with aclosing(assemble(given.settings, found)) as ringback:
            yield ringback
    finally:
        found.database.close()


async def _looked(look: Callable[[Ringback], Awaitable[Check]], ringback: Ringback) -> Check:
    name = look.__name__
    try:
        async with asyncio.timeout(PATIENCE):
            return await look(ringback)
    except TimeoutError:
        return unknown(name, f"It took longer than {PATIENCE:.0f} s", "look at it by itself")
    except TableMissing:
        return problem(name, "It needs a table or a view that is not there", "do what the line 'tables' says")
    except DatabaseUnavailable as away:
        return problem(name, away.sentence.rstrip("."), REACHABLE)
    except Exception as error:
        return unknown(name, f"It cannot be looked at ({type(error).__name__})", "look into the tables and the log")


async def recorded(ringback: Ringback) -> Check:
    """The settings that every credential depends on."""
    try:
        await ringback.work.read(require_same)
    except CannotStart as error:
        return problem("recorded", str(error), "start it with the settings that this database was made with")
    return ok("recorded", "secret_storage and both domains are those that the database was made with")


async def clock(ringback: Ringback) -> Check:
    async def both(uow: Uow) -> list[timedelta]:
        return [await meta.clock(uow) - uow.now, await uow.sip.clock() - uow.now]

    apart = max(map(abs, await ringback.work.read(both)))
    seen = f"The clocks of the databases and ours are {apart.total_seconds():.1f} s apart"
    return problem("clock", seen, "set both by NTP") if apart > SKEW else ok("clock", seen)


async def relay(ringback: Ringback) -> Check:
    """Whether events leave."""

    async def waiting(uow: Uow) -> tuple[int, timedelta]:
        count, oldest = await outbox.pending(uow.session)
        return count, uow.now - oldest if oldest else timedelta(0)

    count, age = await ringback.work.read(waiting)
    if age < LATE:
        return ok("relay", f"{count} events wait to be told")
    seen = f"{count} events wait to be told, the oldest for {round(age.total_seconds())} s"
    do = "is Ringback running? If so the bus does not take them: see the lines of its broker here, and the log"
    return problem("relay", seen, do) if age > STUCK else warning("relay", seen, do)


async def dead(ringback: Ringback) -> Check:
    """Events of others that were given up."""
    found = await ringback.work.read(lambda uow: inbox.dead(uow.session))
    if found:
        seen = f"{len(found)} events of others could not be followed"
        return warning("dead", seen, "see 'ringback events --dead', and tell them again with 'ringback tell'")
    return ok("dead", "All events of others were followed")


async def calls(ringback: Ringback) -> Check:
    """Whether records are made of what Asterisk writes of calls."""

    count, age, is_late = await ringback.work.read(lambda uow: records.overdue(uow, LATE))
    if not is_late:
        return ok("calls", f"{count} events of calls wait to become records")
    some = f"{count} or more" if count == cel.BATCH else f"{count}"
    seen = f"{some} events of calls wait to become records, the oldest for {round(age.total_seconds())} s"
    do = "is call-manager running ('ringback up' runs it)? If so see its log"
    return problem("calls", seen, do) if age > STUCK else warning("calls", seen, do)


async def screened(ringback: Ringback) -> Check:
    """Whether somebody runs the policies that customers have for calls to their direct addresses."""
    count = await ringback.work.read(routing.screened)
    if count and not ringback.settings.screen_listen_address:
        seen = f"{count} customers have a policy for calls to their direct addresses, and nobody runs it"
        do = "set screen_listen_address, and write Asterisk's files anew (docs/calls.md)"
        return warning("screened", f"{seen}: such a call is refused, or goes on where nothing in it is required", do)
    return ok("screened", f"{count} customers have a policy for calls to their direct addresses")


async def drift(ringback: Ringback) -> Check:
    found, unread = await Comparison(ringback.work, ringback.settings).found()
    if unread:
        return problem("drift", f"{', '.join(unread)} cannot be compared with our rows", "see the log")
    if found:
        do = "see which with 'registrar-control reconcile --dry_run'; a running Ringback repairs them by itself"
        return warning("drift", f"{len(found)} SIP rows are not what they should be", do)
    return ok("drift", "All SIP rows are what they should be")


async def believed(ringback: Ringback) -> Check:
    """Phones that Asterisk rings wherever they say they are, which may be another customer's phone."""
    suffix = "." + ringback.settings.domain_name_extension
    if count := await ringback.work.read(lambda uow: uow.sip.believed(suffix)):
        seen = f"{count} phones are rung where they say they are, which may be anywhere"
        return warning("believed", seen, "set rewrite_contact=yes for them (docs/asterisk.md, NAT)")
    return ok("believed", "Phones are rung where they registered from")


async def left_over(ringback: Ringback) -> Check:
    found = await ringback.work.read(realms.left_over)
    if found:
        seen = f"Of {len(found)} deleted customers something is left"
        return warning("left_over", seen, "a running Ringback goes on by itself, or 'registrar-control reconcile' does")
    return ok("left_over", "Nothing is left of deleted customers")
