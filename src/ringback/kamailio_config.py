"""The command `ringback sip kamailio-config`: what a Kamailio needs to let Ringback's trunks call."""

import asyncio
import shlex
from dataclasses import replace
from pathlib import Path

from sqlalchemy import URL

from ringback import findings, terminal
from ringback.config_files import Check, Database, Force, Out, databases_of, folder_of, write_and_tell
from ringback.kamailio_checks import checks
from ringback.kamailio_flags import USUAL, Bind, InnerPort, Modules, Name, SipPort, Voice, Workers, faults_of
from ringback.kit.errors import ValidationFailed
from ringback.kit.secret import Secret
from ringback.settings import Settings
from ringback.sip.kamailio import FILE, KamailioOptions, kamailio_files, new_secret, packages_of, secret_in
from ringback.terminal import asked_for, with_settings
from ringback.transport_flags import ExternalAddress, TlsCert, TlsKey, TlsPort, WssPort, tls_of


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
    name: Name = USUAL.name,
    modules: Modules = USUAL.modules,
    tls_port: TlsPort = 0,
    wss_port: WssPort = 0,
    tls_cert: TlsCert = "",
    tls_key: TlsKey = "",
    external_address: ExternalAddress = "",
    inner_port: InnerPort = USUAL.inner_port,
) -> None:
    """Write the configuration of a Kamailio (5.6 or later) where this Ringback's phones and trunks register and call.

    It reads, and writes where phones are, in the SQLite file of the settings or by database_dsn_bin and _asterisk.
    With secret_storage=plaintext only trunks known by their address get in. The file holds a secret that proves which
    calls were let in: its owner alone may read it. Written anew, it keeps that.
    """
    folder = folder_of(out)
    options = replace(
        _found(settings, database, folder),
        bind=asked_for(bind, "Address that trunks reach it at") or "",
        asterisks=tuple(asterisk or [asked_for(None, "Address and public port of Asterisk") or ""]),
    )
    options = replace(options, sip_port=sip_port, workers=workers, name=name, modules=modules)
    options = replace(options, tls=tls_of(tls_cert, tls_key, tls_port, wss_port))
    options = replace(options, external_address=external_address, inner_port=inner_port)
    _done(settings, folder, options, force=force, check=check)


def _found(settings: Settings, file: Path | None, folder: Path) -> KamailioOptions:
    """What the settings and the folder know of it."""
    tables, own = databases_of(settings, file)
    return replace(
        USUAL,
        database=own or tables,
        tables=tables if own else None,
        secret=_secret(folder / FILE),
        tells=settings.edge_listen_address,
        domain_name_extension=settings.domain_name_extension,
        domain_name_trunk=settings.domain_name_trunk,
        direct_miss_limit=settings.direct_miss_limit,
        folder=str(folder),
    )


def _done(settings: Settings, folder: Path, options: KamailioOptions, *, force: bool, check: bool) -> None:
    if faults := faults_of(options):
        raise ValidationFailed(*faults)
    if check:
        findings.show(asyncio.run(checks(folder, options, settings)), str(folder))
    else:
        write_and_tell(folder, kamailio_files(options), force=force, secret={FILE})
        terminal.say(_next(folder / FILE, options))
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


def _next(config: Path, options: KamailioOptions) -> str:
    cfg = shlex.quote(str(config))
    return f"""
Next, as root, on this machine, with Kamailio 5.6 or later:
  apt-get install kamailio {" ".join(packages_of(options))}
  chown kamailio {cfg}   # it holds the secret of calls: nobody else may read it
{_let_in(options.database)}\
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
