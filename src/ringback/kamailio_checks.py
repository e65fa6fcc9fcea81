"""What is wrong with a Kamailio that is to let Ringback's trunks in: `ringback sip kamailio-config --check`."""

import re
from pathlib import Path
from typing import Final

from ringback import config_checks, database_checks
from ringback.config_checks import Port
from ringback.kit.checks import Check, ok
from ringback.kit.rights import Wanted
from ringback.settings import Settings
from ringback.sip.edge import sip_auths
from ringback.sip.kamailio import FILE, KamailioOptions, kamailio_files, packages_of
from ringback.sip.kamailio_phones import RIGHTS
from ringback.sip.tables import CONTACTS

READ: Final[Wanted] = {sip_auths: ("SELECT",)}


async def checks(folder: Path, options: KamailioOptions, settings: Settings) -> list[Check]:
    """All that can be known without a Kamailio: its file, modules, ports and database. Nothing is changed."""
    found = config_checks.files(folder, kamailio_files(options), {FILE}) + parts(options, settings)
    return found + config_checks.ports(_ports(options)) + await databases(options, settings)


def parts(options: KamailioOptions, settings: Settings) -> list[Check]:
    """Modules and certificate."""
    loaded = re.findall(r'^loadmodule "(.+)"$', kamailio_files(options)[FILE], re.MULTILINE)
    found = config_checks.modules(options.modules, loaded, _packages(options))
    if options.tls:
        hosts = [options.bind, options.domain_name_trunk, options.domain_name_extension, settings.sip_domain]
        hosts += [options.external_address] if options.external_address else []
        found += config_checks.certificate(options.tls.certificate, options.tls.key, hosts)
    return found


async def databases(options: KamailioOptions, settings: Settings, *, shared: bool = True) -> list[Check]:
    """What it reads and writes there; a SQLite file is `shared` where another user writes it."""
    if options.database.get_backend_name() == "sqlite":
        return config_checks.sqlite(Path(options.database.database or ""), [sip_auths.name, CONTACTS], shared=shared)
    lacks = await database_checks.rights("ringback", options.database, settings, READ, "docs/edge.md")
    lacks += await database_checks.rights("asterisk", options.phones_in, settings, RIGHTS, "docs/edge.md")
    return lacks or [ok("database", "Kamailio's user may do what it must")]


def _ports(options: KamailioOptions) -> list[Port]:
    tls = (options.tls.port, options.tls.wss_port) if options.tls else ()
    both: list[Port] = [(kind, options.bind, options.sip_port) for kind in ("UDP", "TCP")]
    if options.external_address:
        both.append(("UDP", options.bind, options.inner_port))
    return both + [("TCP", options.bind, port) for port in tls if port]


def _packages(options: KamailioOptions) -> str:
    return " and ".join(["kamailio", *packages_of(options)])
