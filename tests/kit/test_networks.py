"""IP addresses and networks in their one spelling."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.kit.networks import PATTERN, canonical, is_network


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7/32", "203.0.113.7"),
        ("198.51.100.5/28", "198.51.100.0/28"),
        ("255.255.255.255/1", "128.0.0.0/1"),
        ("0.0.0.0", "0.0.0.0"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("2001:db8::1/128", "2001:db8::1"),
        ("2001:DB8::1/48", "2001:db8::/48"),
        ("::", "::"),
        ("::1", "::1"),
        ("8000::/1", "8000::/1"),
        ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1"),
        ("::ffff:192.0.2.77/120", "192.0.2.0/24"),
        ("::ffff:0:0/95", "::fffe:0:0/95"),
    ],
)
def test_an_address_or_network_has_one_spelling(text: str, spelling: str) -> None:
    assert canonical(text) == spelling
    assert canonical(spelling) == spelling
    assert re.fullmatch(PATTERN, spelling)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "localhost", "carrier.example.com", "300.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1", "16909060",
        "0x7f000001", "0.0.0.0/0", "1.2.3.4/0", "::/0", "fe80::1/0", "::ffff:0:0/96", "1.2.3.4/33", "::1/129",
        "1.2.3.4/-1", "1.2.3.4/+8", "1.2.3.4/08", "1.2.3.4/", "1.2.3.4/8/8", "1.2.3.4/255.0.0.0", "1.2.3.4/0.0.0.255",
        "fe80::1%eth0", "fe80::1%0/64", ":::", "1::2::3", "12345::", "::g", "[::1]", "1.2.3.4:5060", " 1.2.3.4",
        "1.2.3.4 ", "1.2.3.4\n", "١.2.3.4", "1.2.3.4/٨", "\x00", "1" * 10_000,
    ],
)  # fmt: skip
def test_what_is_neither_is_refused(text: str) -> None:
    assert not is_network(text)
    assert not re.search(PATTERN.replace("$", r"\Z"), text) or text == "::ffff:0:0/96"


@given(st.ip_addresses(), st.integers(1, 128))
def test_all_addresses_and_networks_have_a_spelling_that_means_the_same(
    address: IPv4Address | IPv6Address, length: int
) -> None:
    for text in (str(address), f"{address}/{min(length, address.max_prefixlen)}", address.exploded):
        spelling = canonical(text) if is_network(text) else None
        assert re.fullmatch(PATTERN, text)
        mapped = isinstance(address, IPv6Address) and address.ipv4_mapped
        if not mapped:
            kind = IPv4Network if isinstance(address, IPv4Address) else IPv6Network
            assert spelling is not None
            assert kind(spelling) == kind(text, strict=False)
            assert ("/" in spelling) == (kind(spelling).num_addresses > 1)
