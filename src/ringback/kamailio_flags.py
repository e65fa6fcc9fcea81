"""Flags of `ringback sip kamailio-config`, and what is wrong with them."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import URL

from ringback.config_files import unfit
from ringback.kit.errors import Fault
from ringback.kit.secret import Secret
from ringback.sip import kamailio
from ringback.sip.kamailio import KamailioOptions
from ringback.sip.kamailio_sql import faults_of as unsayable
from ringback.sip.kamailio_sql import place
from ringback.spellings import host_and_port
from ringback.transport_flags import faults_of_tls

USUAL = KamailioOptions(URL.create("sqlite"), "", (), Secret(""))

Bind = Annotated[
    str | None, typer.Option("--bind", help="address that trunks reach it at; required, calls carry it", metavar="IP")
]
Voice = Annotated[
    list[str] | None,
    typer.Option(
        "--asterisk",
        help="an Asterisk's public port, at the address that it sends from; required, and once for each",
        metavar="IP:PORT",
    ),
]
SipPort = Annotated[int, typer.Option("--sip_port", help="UDP and TCP port that it listens at", min=1, max=65535)]
InnerPort = Annotated[
    int,
    typer.Option("--inner_port", help="UDP port for Asterisk alone, beside an --external_address", min=1, max=65535),
]
Workers = Annotated[int, typer.Option("--workers", help="processes that read UDP; as many read TCP", min=1, max=256)]
Name = Annotated[str, typer.Option("--name", help="its name in contacts; one for each server that shares the tables")]
Modules = Annotated[str, typer.Option("--modules", help="folder of Kamailio's modules", metavar="DIR")]


def faults_of(options: KamailioOptions) -> list[Fault]:
    """All faulty flags at once; what ends a string or a line would write other settings than was asked for."""
    faults = _of_places(options)
    if not Path(options.modules).is_absolute():
        faults.append(Fault("modules", "must be an absolute path"))
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", options.name):
        faults.append(Fault("name", "must be up to 64 letters, digits, '_', '.' and '-'"))
    texts = {"modules": options.modules, "out": options.folder}
    urls = {"database_dsn_bin": options.database, "database_dsn_asterisk": options.phones_in}
    if options.database.get_backend_name() == "sqlite":
        texts["database"] = options.database.database or ""
        urls = {}
    faults += [Fault(name, fault) for name, url in urls.items() for fault in unsayable(url)]
    if options.tls:
        faults += faults_of_tls(options.tls, {options.sip_port})
        texts |= {"tls_cert": options.tls.certificate, "tls_key": options.tls.key}
    faults += unfit(texts, forbidden=';"|\\')
    texts |= {"name": options.name, **{name: place(url) for name, url in urls.items()}}
    return faults + [
        Fault(name, f"must not hold {word}, which the file replaces")
        for name, text in texts.items()
        for word in kamailio.WORDS
        if word in text
    ]


def _of_places(options: KamailioOptions) -> list[Fault]:
    faults = []
    bind = _address(options.bind)
    if bind is None or _is_no_hosts(bind):
        faults.append(Fault("bind", "must be an IPv4 address of this machine, not a wildcard"))
    for asterisk in options.asterisks:
        faults += _of_asterisk(asterisk, bind, options.sip_port)
    if options.external_address:
        outside = _address(options.external_address)
        if outside is None or _is_no_hosts(outside):
            faults.append(Fault("external_address", "must be an IPv4 address"))
        if options.inner_port == options.sip_port:
            faults.append(Fault("inner_port", "must differ from --sip_port"))
    if options.tells:
        heard = _address(host_and_port(options.tells)[0])
        if heard is None or _is_no_hosts(heard):
            faults.append(
                Fault("edge_listen_address", "must be the IPv4 address and port where this Kamailio reaches it")
            )
    if len(set(options.asterisks)) < len(options.asterisks):
        faults.append(Fault("asterisk", "must not be given twice"))
    return faults


def _of_asterisk(text: str, bind: ipaddress.IPv4Address | None, sip_port: int) -> list[Fault]:
    try:
        host, port = host_and_port(text)
    except ValueError:
        host, port = "", 0
    voice = _address(host)
    if voice is None or _is_no_hosts(voice) or not port or text != f"{voice}:{port}":
        return [Fault("asterisk", "must be an IPv4 address and a port, e.g. 192.0.2.7:5062")]
    if bind and bind.is_loopback != voice.is_loopback:
        return [Fault("asterisk", f"must be the address that Asterisk sends to {bind} from")]
    if (bind, sip_port) == (voice, port):
        return [Fault("asterisk", "must differ from --bind and --sip_port")]
    return []


def _is_no_hosts(address: ipaddress.IPv4Address) -> bool:
    return address.is_unspecified or address.is_multicast or address.is_reserved


def _address(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text) if re.fullmatch(r"[0-9.]+", text) else None
    except ValueError:
        return None
