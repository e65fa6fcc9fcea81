"""IP addresses and networks in their one spelling."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

FORM: Final = re.compile(r"[0-9A-Fa-f:.]+(?:/(?:0|[1-9][0-9]{0,2}))?")
"""An address, or one with a prefix length: no netmask, no zone."""
MAPPED: Final = IPv6Network("::ffff:0:0/96")
"""IPv4 addresses as IPv6 spells them (RFC 4291 2.5.5.2)."""

OCTET: Final = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
FOUR: Final = rf"({OCTET}\.){{3}}{OCTET}"
H: Final = "[0-9A-Fa-f]{1,4}"
SIX: Final = "|".join(
    [
        f"({H}:){{7}}{H}",
        f"({H}:){{1,7}}:",
        *(f"({H}:){{1,{7 - behind}}}(:{H}){{1,{behind}}}" for behind in range(1, 7)),
        f":(:{H}){{1,7}}",
        "::",
    ]
)
PATTERN: Final = (
    f"^({FOUR}(/(3[0-2]|[12][0-9]|[1-9]))?|({SIX}|({H}:){{6}}{FOUR}|::([Ff]{{4}}:)?{FOUR})"
    "(/(12[0-8]|1[01][0-9]|[1-9][0-9]|[1-9]))?)$"
)
"""The same for JSON Schema, but for rare spellings of IPv6 with an IPv4 tail."""


def canonical(text: str) -> str:
    """An address or network as it is always spelt; `ValueError` for what is neither, and for all addresses at once.

    A network of one address is that address, host bits are cleared, an IPv4 address in IPv6 is itself.
    """
    if not FORM.fullmatch(text):
        raise ValueError(text)
    network = _plain(ip_network(text, strict=False))
    if network.prefixlen == 0:
        raise ValueError(text)
    return str(network.network_address if network.num_addresses == 1 else network)


def is_network(text: str) -> bool:
    """Whether `canonical` has a spelling for it."""
    try:
        canonical(text)
    except ValueError:
        return False
    return True


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address, or a whole network, lies in one of the networks; what is no address lies nowhere."""
    try:
        given = _plain(ip_network(address))
    except ValueError:
        return False
    return any(
        given.network_address in one and given.prefixlen >= one.prefixlen
        for one in (_plain(ip_network(network)) for network in networks)
        if one.version == given.version
    )


def _plain(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        tail = network.network_address.ipv4_mapped
        return IPv4Network((int(tail or 0), network.prefixlen - MAPPED.prefixlen))
    return network
