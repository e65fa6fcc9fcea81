"""What a Kamailio edge tells of phones."""

from datetime import UTC, datetime

import pytest

from ringback.sip.ami_events import Refusal
from ringback.sip.edge_words import refused, touched

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
PHONE = "1001@acme.registrar.example.com"


def test_a_phone_whose_contacts_have_changed_is_named() -> None:
    assert touched(f"contacts {PHONE}".encode()) == PHONE
    assert refused(f"contacts {PHONE}".encode(), NOW) is None


def test_a_refusal_says_who_by_which_edge_and_from_where() -> None:
    word = f"refused {PHONE} tls 192.0.2.9:5071 edge-1".encode()

    assert refused(word, NOW) == (PHONE, Refusal(NOW, "wrong_password", "192.0.2.9:5071", "tls", "edge-1"))
    assert touched(word) is None


@pytest.mark.parametrize(
    "word",
    [
        b"", b"contacts", b"contacts ", f"contacts {PHONE}\n".encode(), f"contacts {PHONE} x".encode(),
        b"contacts 10'01@acme.example.com", b"contacts \xff\xfe@acme.example.com", f"CONTACTS {PHONE}".encode(),
        f"refused {PHONE} icmp 192.0.2.9:5071 edge".encode(), f"refused {PHONE} udp nowhere:5071 edge".encode(),
        f"refused {PHONE} udp 192.0.2.9:5071 ed\x00ge".encode(), b"x" * 65000,
    ],
)  # fmt: skip
def test_anything_else_is_nothing(word: bytes) -> None:
    assert touched(word) is None
    assert refused(word, NOW) is None
