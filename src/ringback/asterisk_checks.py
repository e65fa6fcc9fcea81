"""What is wrong with an Asterisk that is to serve Ringback's phones: `ringback sip asterisk-config --check`."""

import os
from collections.abc import Collection
from configparser import ConfigParser
from configparser import Error as Unreadable
from pathlib import Path
from typing import Final

from sqlalchemy import Column, MetaData, String, Table

from ringback import config_checks, database_checks
from ringback.config_checks import Port
from ringback.kit.checks import Check, ok, problem, unknown
from ringback.kit.db import OWN
from ringback.kit.rights import WRITES, Wanted
from ringback.settings import Settings
from ringback.sip import cel
from ringback.sip.config import AsteriskOptions, asterisk_files, modules_of
from ringback.sip.func_odbc import KEYS, VIEWS
from ringback.sip.odbc import ENGINES, Source
from ringback.sip.tables import CONTACTS, metadata

ODBCINST: Final = "odbcinst.ini"
TABLES: Final = tuple(table.name for table in metadata.sorted_tables)
READ_AND_WRITTEN: Final[Wanted] = {
    table: WRITES if table.name == CONTACTS else ("SELECT",) for table in metadata.sorted_tables
}
OF_CALLS: Final[Wanted] = {
    cel.channel_events: ("INSERT",),
    **{
        Table(view, MetaData(schema=OWN), Column(column, String, primary_key=True)): ("SELECT",)
        for view, column in zip(VIEWS, KEYS, strict=True)
    },
}


async def checks(folder: Path, options: AsteriskOptions, secret: Collection[str], settings: Settings) -> list[Check]:
    """All that can be known without an Asterisk: its files, modules, ports, certificate, drivers and databases.

    `secret` names the files that hold secrets. Nothing is started or changed."""
    found = config_checks.files(folder, asterisk_files(options), secret) + parts(options)
    found += config_checks.ports(_ports(options))
    if options.directs is None:
        return found + file(options)
    return found + await servers(options, settings)


def parts(options: AsteriskOptions) -> list[Check]:
    """Modules, certificate and drivers."""
    found = config_checks.modules(options.directories.modules, modules_of(options), "asterisk-modules")
    if options.tls:
        hosts = [options.domain_name_sip, options.domain_name_extension]
        hosts += [options.nat.external_address] if options.nat else []
        hosts += [options.bind] if options.bind != "0.0.0.0" else []
        found += config_checks.certificate(options.tls.certificate, options.tls.key, hosts)
    return found + [_driver(source) for source in options.sources]


def file(options: AsteriskOptions, *, shared: bool = True) -> list[Check]:
    """The SQLite file."""
    return config_checks.sqlite(Path(options.database.database or ""), (*TABLES, *VIEWS, cel.TABLE), shared=shared)


def _ports(options: AsteriskOptions) -> list[Port]:
    both = [port for port in (options.sip_port, options.public_port) if port]
    wanted = [(kind, options.bind, port) for port in both for kind in ("UDP", "TCP")]
    if options.tls:
        wanted += [("TCP", options.bind, port) for port in (options.tls.port, options.tls.wss_port) if port]
    if options.manager:
        wanted.append(("TCP", options.manager.host, options.manager.port))
    return wanted


def _driver(source: Source) -> Check:
    """A library, or a name that odbcinst.ini leads to one."""
    engine = ENGINES[source.url.get_backend_name()]
    get = f"apt-get install {engine.package}, or name another by --odbc_driver"
    if "/" in source.driver:
        if Path(source.driver).is_file():
            return ok("driver", f"{source.driver} is there")
        return problem("driver", f"There is no {source.driver}", get)
    file = Path(os.environ.get("ODBCSYSINI", "/etc"), ODBCINST)
    known = ConfigParser(interpolation=None, strict=False)
    try:
        known.read_string(file.read_text(errors="replace"))
    except FileNotFoundError:
        return problem("driver", f"There is no {file}, so no driver {source.driver}", get)
    except (OSError, Unreadable):
        return unknown("driver", f"{file} cannot be read", "look whether it names the driver")
    if not known.has_section(source.driver):
        return problem("driver", f"{file} has no driver {source.driver}", get)
    library = known[source.driver].get("driver", "")
    if library.startswith("/") and not Path(library).is_file():
        return problem("driver", f"There is no {library}, which {file} calls {source.driver}", get)
    return ok("driver", f"{file} leads {source.driver} to {library}")


async def servers(options: AsteriskOptions, settings: Settings) -> list[Check]:
    """The databases on servers, by Asterisk's own user."""
    found = []
    for source, wanted in zip(options.sources, (READ_AND_WRITTEN, OF_CALLS), strict=True):
        found += await database_checks.rights(source.name, source.url, settings, wanted, "docs/asterisk.md")
    return found or [ok("database", "Asterisk's user may read and write what it must")]
