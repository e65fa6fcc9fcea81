"""Flags of `ringback sip asterisk-config`: phones by TLS and WebSocket, behind NAT, and remembered."""

import ipaddress
from pathlib import Path
from typing import Annotated, Final

import typer

from ringback.config_files import unfit
from ringback.kit.errors import Fault
from ringback.kit.networks import is_network
from ringback.sip.config import AsteriskOptions
from ringback.sip.transports_conf import PRIVATE_NETWORKS, Nat, Tls
from ringback.spellings import networks_in

LONGEST_CACHE: Final = 86400

TlsPort = Annotated[int, typer.Option("--tls_port", help="TCP port for phones that speak TLS; 0: none", max=65535)]
WssPort = Annotated[
    int, typer.Option("--wss_port", help="TCP port for browsers, wss://…:PORT/ws (WebRTC); 0: none", max=65535)
]
TlsCert = Annotated[str, typer.Option("--tls_cert", help="certificate and its chain for both, PEM", metavar="FILE")]
TlsKey = Annotated[str, typer.Option("--tls_key", help="its private key, PEM", metavar="FILE")]
ExternalAddress = Annotated[
    str, typer.Option("--external_address", help="the address that the world knows it by, behind NAT", metavar="IP")
]
LocalNet = Annotated[
    str,
    typer.Option("--local_net", help="networks inside that NAT, its own among them, with commas", metavar="CIDRS"),
]
Cache = Annotated[
    int,
    typer.Option(
        "--cache",
        help="seconds that Asterisk remembers what it has read of a phone; 0: it asks each time",
        min=0,
        max=LONGEST_CACHE,
    ),
]
USUAL_NETWORKS: Final = ",".join(PRIVATE_NETWORKS)


def tls_of(certificate: str, key: str, port: int, wss_port: int) -> Tls | None:
    """What those flags ask for: nothing, if none of them is given."""
    files = [str(Path(path).absolute()) if path else "" for path in (certificate, key)]
    return Tls(files[0], files[1], port, wss_port) if any((certificate, key, port, wss_port)) else None


def nat_of(address: str, networks: str) -> Nat | None:
    """What those flags ask for: nothing without an address."""
    return Nat(address, tuple(networks_in(networks))) if address else None


def faults_of(options: AsteriskOptions) -> list[Fault]:
    """A fault for each of these flags that cannot be so."""
    manager = {options.manager.port} if options.manager else set()
    taken = {options.sip_port, options.public_port} - {0} | manager
    faults = faults_of_tls(options.tls, taken) if options.tls else []
    return [*faults, *(_nat(options) if options.nat else [])]


def faults_of_tls(tls: Tls, taken: set[int]) -> list[Fault]:
    """A fault for each of its own; other TCP ports are `taken`."""
    return [*_tls(tls), *_same_ports(tls, taken)]


def _tls(tls: Tls) -> list[Fault]:
    if not (tls.port or tls.wss_port):
        return [Fault("tls_port", "must be given with --tls_cert, or --wss_port")]
    missing = {"tls_cert": tls.certificate, "tls_key": tls.key}
    return [Fault(name, "is required") for name, path in missing.items() if not path] or unfit(missing)


def _nat(options: AsteriskOptions) -> list[Fault]:
    assert options.nat is not None
    faults, networks, anywhere = [], options.nat.local_nets, options.bind == "0.0.0.0"
    if not _is_ipv4(options.nat.external_address):
        faults.append(Fault("external_address", "must be an IPv4 address"))
    if not networks or not all(map(is_network, networks)):
        faults.append(Fault("local_net", "must be IP addresses and CIDRs with commas"))
    elif _is_ipv4(options.bind) and not anywhere:
        own = ipaddress.ip_address(options.bind)
        if not any(own in ipaddress.ip_network(network) for network in networks):
            faults.append(Fault("local_net", f"must hold {own}: it is Asterisk's own address"))
    if anywhere and options.listening.websocket:
        faults.append(Fault("bind", "must be Asterisk's own address: browsers are told it and --external_address"))
    return faults


def _same_ports(tls: Tls, taken: set[int]) -> list[Fault]:
    """Those are TCP ports, which phones and the world have theirs of, too."""
    faults = []
    for name, port in (("tls_port", tls.port), ("wss_port", tls.wss_port)):
        if port and port in taken:
            faults.append(Fault(name, "must differ from the other ports"))
        taken = taken | {port}
    return faults


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def what_phones_need(options: AsteriskOptions, columns: dict[str, str]) -> str:
    """What Ringback must say in the rows of phones that come by NAT, TCP, TLS or WebSocket, if it does not."""
    if not (options.tls or options.nat):
        return ""
    wanted = {"rewrite_contact": "yes", "rtp_symmetric": "yes"}
    if all(columns.get(name) == value for name, value in wanted.items()):
        return ""
    said = ",".join(f"{name}={value.replace(',', '|')}" for name, value in {**columns, **wanted}.items())
    return f"  # and for new phones that are not where they say they are: ENDPOINT_DEFAULTS='{said}'\n"
