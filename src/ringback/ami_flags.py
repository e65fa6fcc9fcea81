"""Flags of `ringback sip asterisk-config`: the manager port where Ringback hears what happens."""

import ipaddress
from pathlib import Path
from typing import Annotated

import typer

from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.networks import is_network
from ringback.kit.secret import Secret
from ringback.settings import Settings
from ringback.sip.ami import addresses_in
from ringback.sip.ami_conf import MANAGER, USER, ManagerPort, faults_of, secret_in
from ringback.spellings import host_and_port, networks_in

AmiBind = Annotated[
    str | None,
    typer.Option("--ami_bind", help="where Ringback may hear what happens (asterisk_ami)", metavar="IP:PORT"),
]
AmiPermit = Annotated[
    str, typer.Option("--ami_permit", help="whence Ringback comes to --ami_bind, with commas", metavar="CIDRS")
]


def manager_of(settings: Settings, folder: Path, bind: str, permit: str) -> ManagerPort:
    """With the credentials of asterisk_ami where it names this port, else of the file that is there, else new ones."""
    try:
        host, port = host_and_port(bind)
    except ValueError as fault:
        raise ValidationFailed(Fault("ami_bind", str(fault))) from None
    named = [one for one in addresses_in(settings.asterisk_ami.get_secret_value()) if one.port == port]
    exact = [one for one in named if one.host == host] or (named if len(named) == 1 else [])
    user = exact[0].user if exact else USER
    secret = exact[0].password if exact else secret_in(folder / MANAGER, user) or Secret.generate()
    return ManagerPort(host, port, secret, user, tuple(networks_in(permit)))


def faults_of_port(manager: ManagerPort) -> list[Fault]:
    """A fault for each of these flags that cannot be so."""
    faults = [Fault("asterisk_ami", fault) for fault in faults_of(manager)]
    try:
        ipaddress.ip_address(manager.host)
    except ValueError:
        faults.append(Fault("ami_bind", "must be an IP address and a port, e.g. 127.0.0.1:5038"))
    if not manager.permit or not all(map(is_network, manager.permit)):
        faults.append(Fault("ami_permit", "must be IP addresses and CIDRs with commas"))
    return faults
