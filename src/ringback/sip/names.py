"""Realms, endpoint names and domain rules: pure functions."""

import re
from typing import Final
from uuid import UUID

IDENTITY_LIMIT: Final = 219
"""Characters of `<number>@<realm>`: `ps_contacts.id` adds 36 and is 255 wide."""
NUMBER_LIMIT: Final = 40
LABEL_LIMIT: Final = 63
RESERVED: Final = frozenset({"pstn", "sip", "echo", "reg", "www", "api", "registrar", "trunk", "conference", "direct"})
LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])")
DOMAIN: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
    re.IGNORECASE | re.ASCII,
)


def realm_of(label: str, base: str) -> str:
    """`acme`, `registrar.example.com` → `acme.registrar.example.com`."""
    return f"{label}.{base}"


def endpoint_id(number: str, realm: str) -> str:
    """The name that Asterisk knows a phone by, its AOR: `1001@acme.registrar.example.com`."""
    return f"{number}@{realm}"


def is_domain(text: str) -> bool:
    """Whether it is a host name of RFC 1123 labels, at most 253 characters."""
    return DOMAIN.fullmatch(text) is not None


def is_label(text: str, customer_id: UUID) -> bool:
    """Whether a customer may have this realm label; one that looks like a UUID only if it is their own id."""
    if not LABEL.fullmatch(text) or text in RESERVED:
        return False
    try:
        return UUID(text) == customer_id
    except ValueError:
        return True


def fits(base: str) -> bool:
    """Whether the longest number in the longest realm under `base` stays within `IDENTITY_LIMIT`."""
    return NUMBER_LIMIT + 1 + LABEL_LIMIT + 1 + len(base) <= IDENTITY_LIMIT


def direct_uri(hash: str, domain: str) -> str:
    """`sip:direct.<hash>@<domain>`; nothing for no hash."""
    return f"sip:direct.{hash}@{domain}" if hash else ""


def sip_domain(base: str) -> str:
    """The host of direct addresses when none is set: `registrar.example.com` → `sip.example.com`."""
    _, _, rest = base.partition(".")
    return f"sip.{rest or base}"
