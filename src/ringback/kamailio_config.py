"""The command `ringback sip kamailio-config`: what a Kamailio needs to let Ringback's trunks call."""

import asyncio
import ipaddress
import re
import shlex
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import URL

from ringback import findings, terminal
from ringback.config_files import Check, Database, Force, Out, databases_of, folder_of, unfit, write_and_tell
from ringback.kamailio_checks import checks
from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.secret import Secret
from ringback.settings import Settings
from ringback.sip import kamailio
from ringback.sip.kamailio import FILE, KamailioOptions, new_secret, secret_in
from ringback.sip.kamailio_sql import engine_of, faults_of, place
from ringback.spellings import host_and_port
from ringback.terminal import asked_for, with_settings

USUAL = KamailioOptions(URL.create("sqlite"), "", "", Secret(""))

Bind = Annotated[
    str | None, typer.Option("--bind", help="address that trunks reach it at; required, calls carry it", metavar="IP")
]
Voice = Annotated[
    str | None,
    typer.Option(
        "--asterisk",
        help="an Asterisk's public port, at the address that it sends from; required",
        metavar="IP:PORT",
    ),
]
SipPort = Annotated[int, typer.Option("--sip_port", help="UDP and TCP port that it listens at", min=1, max=65535)]
Workers = Annotated[int, typer.Option("--workers", help="processes that read UDP; as many read TCP", min=1, max=256)]
Modules = Annotated[str, typer.Option("--modules", help="folder of Kamailio's modules", metavar="DIR")]


@with_settings
def kamailio_config(
    settings: Settings,
    out: Out = None,
    force: Force = False,
    check: Check = False,
    database: Database = None,
    bind: Bind = None,
    asterisk: Voice = None,
    sip_port: SipPort = USUAL.sip_port,
    workers: Workers = USUAL.workers,
    modules: Modules = USUAL.modules,
) -> None:
    """Write the configuration of a Kamailio (5.6 or later) that lets the trunks of this Ringback call.

    It reads the SQLite file of the settings, or where database_dsn_bin leads, for a user of its own who only reads.
    It proves passwords by their digests, of trunks and of phones: with secret_storage=plaintext there are none, and
    only trunks that are known by their address get in. The file holds a secret that proves which calls were let in:
    it is readable by its owner alone, and the secret stays when the file is written anew.
    """
    folder = folder_of(out)
    tables, own = databases_of(settings, database)
    options = KamailioOptions(
        database=own or tables,
        bind=asked_for(bind, "Address that trunks reach it at") or "",
        asterisk=asked_for(asterisk, "Address and public port of Asterisk") or "",
        secret=_secret(folder / FILE),
        sip_port=sip_port,
        domain_name_extension=settings.domain_name_extension,
        domain_name_trunk=settings.domain_name_trunk,
        workers=workers,
        modules=modules,
    )
    _check(options)
    if check:
        findings.show(asyncio.run(checks(folder, options, settings)), str(folder))
    else:
        write_and_tell(folder, {FILE: kamailio.kamailio_config(options)}, force=force, secret={FILE})
        terminal.say(_next(folder / FILE, options.database))
        _warn(settings)


def _warn(settings: Settings) -> None:
    storage = settings.secret_storage
    if storage == "plaintext":
        terminal.hint(
            "warning: secret_storage=plaintext keeps no digests, and this Kamailio reads nothing else:"
            " no password gets anybody in, only trunks that are known by their address"
        )


def _secret(before: Path) -> Secret:
    """That of the file as it is, so that calls outlive a new configuration; else a new one."""
    try:
        return secret_in(before.read_text(errors="surrogateescape")) or new_secret()
    except OSError:
        return new_secret()  # whether that file may be replaced is looked at when it is written


def _check(options: KamailioOptions) -> None:
    """All faulty flags at once; what ends a string or a line would write other settings than was asked for."""
    faults = []
    bind = _address(options.bind)
    if bind is None or _is_no_hosts(bind):
        faults.append(Fault("bind", "must be an IPv4 address of this machine, not a wildcard"))
    try:
        host, port = host_and_port(options.asterisk)
    except ValueError:
        host, port = "", 0
    voice = _address(host)
    if voice is None or _is_no_hosts(voice) or not port or options.asterisk != f"{voice}:{port}":
        faults.append(Fault("asterisk", "must be an IPv4 address and a port, e.g. 192.0.2.7:5062"))
    elif bind and bind.is_loopback != voice.is_loopback:
        faults.append(Fault("asterisk", f"must be the address that Asterisk sends to {bind} from"))
    elif (bind, options.sip_port) == (voice, port):
        faults.append(Fault("asterisk", "must differ from --bind and --sip_port"))
    if not Path(options.modules).is_absolute():
        faults.append(Fault("modules", "must be an absolute path"))
    texts = {"modules": options.modules}
    if options.database.get_backend_name() == "sqlite":
        texts["database"] = options.database.database or ""
    else:
        faults += [Fault("database_dsn_bin", fault) for fault in faults_of(options.database)]
    faults += unfit(texts, forbidden=';"|\\')
    texts["database_dsn_bin"] = "" if "database" in texts else place(options.database)
    faults += [
        Fault(name, f"must not hold {word}, which the file replaces")
        for name, text in texts.items()
        for word in kamailio.WORDS
        if word in text
    ]
    if faults:
        raise ValidationFailed(*faults)


def _is_no_hosts(address: ipaddress.IPv4Address) -> bool:
    return address.is_unspecified or address.is_multicast or address.is_reserved


def _address(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text) if re.fullmatch(r"[0-9.]+", text) else None
    except ValueError:
        return None


def _next(config: Path, database: URL) -> str:
    cfg = shlex.quote(str(config))
    return f"""
Next, as root, on this machine, with Kamailio 5.6 or later:
  apt-get install kamailio {engine_of(database).package}
  chown kamailio {cfg}   # it holds the secret of calls: nobody else may read it
{_let_in(database)}\
  kamailio -c -f {cfg}   # is it in order?
  kamailio -DD -E -u kamailio -g kamailio -f {cfg}"""


def _let_in(database: URL) -> str:
    if database.get_backend_name() != "sqlite":
        return ""
    path = Path(database.database or "")
    home, file = shlex.quote(str(path.parent)), shlex.quote(str(path))
    return f"""\
  chgrp kamailio {home} {file}* && chmod 2770 {home} && chmod 660 {file}*   # it reads there
    # where an Asterisk on this machine has them already, instead: usermod -aG asterisk kamailio
"""
