"""The command `ringback sip asterisk-config`: the files that an Asterisk needs to serve Ringback's phones."""

import asyncio
import ipaddress
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import URL

from ringback import findings, terminal
from ringback.ami_flags import AmiBind, AmiPermit, faults_of_port, manager_of
from ringback.asterisk_checks import checks
from ringback.config_files import Check, Database, Force, Out, databases_of, folder_of, unfit, write_and_tell
from ringback.kit.errors import Fault, ValidationFailed
from ringback.settings import Settings
from ringback.sip import names
from ringback.sip.ami_conf import LOOPBACK, MANAGER, ManagerPort
from ringback.sip.config import AsteriskOptions, Directories, asterisk_files
from ringback.sip.odbc import CREDENTIALS, ENGINES, USUAL_DRIVERS, faults_of
from ringback.sip.transports_conf import Tls
from ringback.spellings import host_and_port
from ringback.terminal import with_settings
from ringback.transport_flags import (
    USUAL_NETWORKS,
    Cache,
    ExternalAddress,
    LocalNet,
    TlsCert,
    TlsKey,
    TlsPort,
    WssPort,
    nat_of,
    tls_of,
    what_phones_need,
)
from ringback.transport_flags import faults_of as faults_of_transports


class Routing(StrEnum):
    """Who says who rings."""

    ODBC = "odbc"
    AGI = "agi"


USUAL = AsteriskOptions(URL.create("sqlite"))
USUAL_RTP_PORTS = "-".join(map(str, USUAL.rtp_ports))

Bind = Annotated[str, typer.Option("--bind", help="address that Asterisk listens at", metavar="IP")]
SipPort = Annotated[int, typer.Option("--sip_port", help="UDP and TCP port where phones register", min=1, max=65535)]
PublicPort = Annotated[
    int,
    typer.Option(
        "--public_port",
        help="UDP and TCP port where anybody may call a direct address, and nothing else; 0: there is none",
        min=0,
        max=65535,
    ),
]
RtpPorts = Annotated[str, typer.Option("--rtp_ports", help="UDP ports for audio", metavar="FIRST-LAST")]
SystemName = Annotated[
    str, typer.Option("--system_name", help="its name in the contacts that it writes; one of its own for each Asterisk")
]
DefaultRealm = Annotated[
    str | None,
    typer.Option("--default_realm", help="realm that unknown phones are challenged with", metavar="DOMAIN"),
]
OdbcDriver = Annotated[
    str | None,
    typer.Option(
        "--odbc_driver",
        help="the driver for its database: a name in odbcinst.ini (default: Debian's), or the path of a library",
        metavar="TEXT",
    ),
]
AsksWhom = Annotated[
    Routing, typer.Option("--routing", help="whom it asks who rings: the database (odbc), or agi_listen_address first")
]
EdgeAt = Annotated[
    str,
    typer.Option(
        "--edge", help="the Kamailio whose word for phones and trunks is taken; several: with commas", metavar="IP:PORT"
    ),
]
Modules = Annotated[str, typer.Option("--modules", help="folder of Asterisk's modules", metavar="DIR")]


@with_settings
def asterisk_config(
    settings: Settings,
    out: Out = None,
    force: Force = False,
    check: Check = False,
    database: Database = None,
    bind: Bind = USUAL.bind,
    sip_port: SipPort = USUAL.sip_port,
    public_port: PublicPort = USUAL.public_port,
    rtp_ports: RtpPorts = USUAL_RTP_PORTS,
    system_name: SystemName = USUAL.system_name,
    default_realm: DefaultRealm = None,
    odbc_driver: OdbcDriver = None,
    modules: Modules = USUAL.directories.modules,
    ami_bind: AmiBind = None,
    ami_permit: AmiPermit = LOOPBACK,
    routing: AsksWhom = Routing.ODBC,
    tls_port: TlsPort = 0,
    wss_port: WssPort = 0,
    tls_cert: TlsCert = "",
    tls_key: TlsKey = "",
    external_address: ExternalAddress = "",
    local_net: LocalNet = USUAL_NETWORKS,
    cache: Cache = USUAL.cache,
    edge: EdgeAt = "",
) -> None:
    """Write the configuration of an Asterisk (16 to 22) that serves the phones of this Ringback.

    It reads the SQLite file of the settings, or ps_* where database_dsn_asterisk leads and the views of who rings
    where database_dsn_bin does: for a user of its own, who writes ps_contacts alone. Files with passwords are private.
    """
    folder = folder_of(out)
    options = _found(settings, database, odbc_driver, Directories(etc=str(folder), modules=modules))
    options = replace(options, bind=bind, sip_port=sip_port, public_port=public_port, rtp_ports=_ports(rtp_ports))
    options = replace(options, system_name=system_name, default_realm=default_realm or "", cache=cache)
    options = replace(options, tls=tls_of(tls_cert, tls_key, tls_port, wss_port))
    options = replace(options, nat=nat_of(external_address, local_net))
    manager = manager_of(settings, folder, ami_bind, ami_permit) if ami_bind else None
    options = replace(options, manager=manager, agi=_agi(settings, routing), screen=_screen(settings), edge=edge)
    _done(settings, folder, options, force=force, check=check)


def _done(settings: Settings, folder: Path, options: AsteriskOptions, *, force: bool, check: bool) -> None:
    _check(options)
    secret = set(_secret_files(options))
    if check:
        findings.show(asyncio.run(checks(folder, options, secret, settings)), str(folder))
    else:
        write_and_tell(folder, asterisk_files(options), force=force, secret=secret)
        terminal.say(_next(folder, options, what_phones_need(options, dict(settings.endpoint_columns))))


def _found(settings: Settings, file: Path | None, driver: str | None, directories: Directories) -> AsteriskOptions:
    """What the settings know of it."""
    tables, directs = databases_of(settings, file)
    return AsteriskOptions(
        database=tables,
        directs=directs,
        drivers=USUAL_DRIVERS if driver is None else {**USUAL_DRIVERS, tables.get_backend_name(): driver},
        domain_name_extension=settings.domain_name_extension,
        domain_name_sip=settings.sip_domain,
        directories=directories,
    )


def _secret_files(options: AsteriskOptions) -> Iterator[str]:
    if any(source.url.password for source in options.sources):
        yield CREDENTIALS
    if options.manager:
        yield MANAGER


def _agi(settings: Settings, routing: Routing) -> str:
    address = settings.agi_listen_address
    if routing is Routing.ODBC:
        return ""
    if not address or host_and_port(address)[0] in ("0.0.0.0", "::"):
        raise ValidationFailed(
            Fault("agi_listen_address", "must say where this Asterisk reaches it, for --routing agi")
        )
    return address


def _screen(settings: Settings) -> str:
    address = settings.screen_listen_address
    if address and host_and_port(address)[0] in ("0.0.0.0", "::"):
        raise ValidationFailed(Fault("screen_listen_address", "must say where this Asterisk reaches it"))
    return address


def _ports(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _check(options: AsteriskOptions) -> None:
    """All faulty flags at once; what ends a line or begins a comment would write other settings than was asked for."""
    faults = []
    try:
        ipaddress.IPv4Address(options.bind)
    except ValueError:
        faults.append(Fault("bind", "must be an IPv4 address"))
    if not 1024 <= options.rtp_ports[0] < options.rtp_ports[1] <= 65535:
        faults.append(Fault("rtp_ports", f"must be FIRST-LAST within 1024-65535, e.g. {USUAL_RTP_PORTS}"))
    if options.sip_port == options.public_port:
        faults.append(Fault("public_port", "must differ from --sip_port"))
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,255}", options.system_name):
        faults.append(Fault("system_name", "must be 1 to 255 of A-Z, a-z, 0-9, '_', '.', '-'"))
    if options.default_realm and not names.is_domain(options.default_realm):
        faults.append(Fault("default_realm", "must be a domain name"))
    faults += faults_of_transports(options)
    if options.edge and not all(map(_is_address, options.edge.split(","))):
        faults.append(Fault("edge", "must be an IPv4 address and a port, e.g. 192.0.2.5:5060, or several with commas"))
    faults += faults_of_port(options.manager) if options.manager else []
    texts = {
        "out": options.directories.etc,
        "odbc_driver": options.sources[0].driver,
        "modules": options.directories.modules,
    }
    if options.directs is None:
        texts["database"] = options.database.database or ""
    faults += unfit(texts)
    if options.directs is not None:
        urls = {"database_dsn_asterisk": options.database, "database_dsn_bin": options.directs}
        faults += [Fault(name, fault) for name, url in urls.items() for fault in faults_of(url)]
    if faults:
        raise ValidationFailed(*faults)


def _is_address(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    try:
        return (
            bool(colon)
            and not ipaddress.IPv4Address(host).is_unspecified
            and re.fullmatch("[1-9][0-9]{0,4}", port) is not None
        )
    except ValueError:
        return False


def _next(folder: Path, options: AsteriskOptions, phones: str) -> str:
    etc = shlex.quote(str(folder))
    engines = {ENGINES[source.url.get_backend_name()] for source in options.sources}
    packages = " ".join(sorted(engine.package for engine in engines))
    names = " and ".join(sorted(engine.name for engine in engines))
    return f"""
Next, as root, on a machine with Asterisk 16 or later:
  apt-get install {packages}   # ODBC for {names}
  {_let_in(etc, options)}
{_readable(options.tls)}{_heard(etc, options.manager)}{_unscreened(options)}{phones}\
  ODBCINI={etc}/odbc.ini asterisk -f -U asterisk -C {etc}/asterisk.conf"""


def _readable(tls: Tls | None) -> str:
    return f"  # the user asterisk must be able to read {tls.certificate} and {tls.key}\n" if tls else ""


def _heard(etc: str, manager: ManagerPort | None) -> str:
    if manager is None:
        return ""
    return f"""\
  chown asterisk {etc}/{MANAGER}   # it holds the secret of Ringback's user
  # and tell Ringback: ASTERISK_AMI=ami://{manager.user}:<the secret in {MANAGER}>@<this machine>:{manager.port}
"""


def _unscreened(options: AsteriskOptions) -> str:
    if options.screen:
        return ""
    return """\
  # with SCREEN_LISTEN_ADDRESS it would have customers' policies for calls to direct addresses run there; without it
  # such a call is refused (503), or goes on where nothing in the policy is required
"""


def _let_in(etc: str, options: AsteriskOptions) -> str:
    if options.directs is not None:
        return f"chown asterisk {etc}/{CREDENTIALS}   # it holds passwords: nobody else may read it"
    database = Path(options.database.database or "")
    home, file = shlex.quote(str(database.parent)), shlex.quote(str(database))
    return (
        f"chgrp asterisk {home} {file}* && chmod 2770 {home} && chmod 660 {file}*   # Asterisk keeps its contacts there"
    )
