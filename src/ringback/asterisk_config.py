"""The command `ringback sip asterisk-config`: the files that an Asterisk needs to serve Ringback's phones."""

import ipaddress
import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from ringback import terminal
from ringback.config_files import Database, Force, Out, database_of, folder_of, unfit, write_and_tell
from ringback.kit.errors import Fault, ValidationFailed
from ringback.settings import Settings
from ringback.sip import names
from ringback.sip.config import AsteriskOptions, Directories, asterisk_files
from ringback.terminal import with_settings

USUAL = AsteriskOptions("")
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
    str, typer.Option("--odbc_driver", help="SQLite's driver: its name in odbcinst.ini, or the path of its library")
]
Modules = Annotated[str, typer.Option("--modules", help="folder of Asterisk's modules", metavar="DIR")]


@with_settings
def asterisk_config(
    settings: Settings,
    out: Out = None,
    force: Force = False,
    database: Database = None,
    bind: Bind = USUAL.bind,
    sip_port: SipPort = USUAL.sip_port,
    public_port: PublicPort = USUAL.public_port,
    rtp_ports: RtpPorts = USUAL_RTP_PORTS,
    system_name: SystemName = USUAL.system_name,
    default_realm: DefaultRealm = None,
    odbc_driver: OdbcDriver = USUAL.odbc_driver,
    modules: Modules = USUAL.directories.modules,
) -> None:
    """Write the configuration of an Asterisk (16 to 22) that serves the phones of this Ringback."""
    folder = folder_of(out)
    options = AsteriskOptions(
        database=database_of(settings, database),
        bind=bind,
        sip_port=sip_port,
        public_port=public_port,
        rtp_ports=_ports(rtp_ports),
        domain_name_extension=settings.domain_name_extension,
        domain_name_sip=settings.sip_domain,
        default_realm=default_realm or "",
        system_name=system_name,
        odbc_driver=odbc_driver,
        directories=Directories(etc=str(folder), modules=modules),
    )
    _check(options)
    write_and_tell(folder, asterisk_files(options), force=force)
    terminal.say(_next(folder, Path(options.database)))


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
    texts = {
        "out": options.directories.etc,
        "database": options.database,
        "odbc_driver": options.odbc_driver,
        "modules": options.directories.modules,
    }
    faults += unfit(texts)
    if faults:
        raise ValidationFailed(*faults)


def _next(folder: Path, database: Path) -> str:
    home = shlex.quote(str(database.parent))
    file = shlex.quote(str(database))
    etc = shlex.quote(str(folder))
    return f"""
Next, as root, on a machine with Asterisk 16 or later:
  apt-get install libsqliteodbc   # SQLite's driver for ODBC
  chgrp asterisk {home} {file}* && chmod 2770 {home} && chmod 660 {file}*   # Asterisk keeps its contacts there
  ODBCINI={etc}/odbc.ini asterisk -f -U asterisk -C {etc}/asterisk.conf"""
