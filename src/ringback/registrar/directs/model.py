"""A direct address: `sip:direct.<hash>@<domain>` rings one extension for whoever knows it."""

import re
import secrets
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from ringback.kit.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted, Unavailable
from ringback.kit.log import Rewrite
from ringback.kit.networks import canonical

ACCEPTED: Final = re.compile(r"(?:direct\.)?([0-9a-f]{12,64})", re.IGNORECASE | re.ASCII)

WITH_PORT: Final = re.compile(r"\[([^\[\]]*)\](?::[0-9]{1,5})?|([^:\[\]]*):[0-9]{1,5}")
"""`[2001:db8::1]:5060`, `[2001:db8::1]`, `192.0.2.1:5060`, `edge.example.com:5060`."""
LONGEST: Final = 64
"""Characters that are kept of who asks, where that is no address."""
NETWORK: Final = 64
"""Bits of an IPv6 address that tell sources apart: whoever has one address has all of that network."""

IN_LOGS: Final = Rewrite(
    re.compile(r"(direct\.|by-direct-hash/(?:direct\.)?|hash=(?:direct\.)?)([0-9A-Fa-f]{4})[0-9A-Fa-f]{2,60}"),
    r"\1\2…",
    r"direct\.|hash[=/]",
)
"""A hash in a URI is cut to its first 4 characters before a log shows it."""


class Direct(msgspec.Struct, frozen=True, gc=False):
    """A live or revoked address of an extension, as peers see it too (registrar 4).

    `hash` is lower-case hex, without the prefix `direct.`.
    """

    id: UUID
    customer_id: UUID
    extension_id: UUID
    hash: str
    tm_create: datetime
    tm_update: datetime | None = None
    tm_delete: datetime | None = None


def new_hash(size: int) -> str:
    """`size` random bytes as hex."""
    return secrets.token_hex(size)


def hash_in(text: str) -> str | None:
    """The hash in `<hash>` or `direct.<hash>`, in lower case; `None` for what cannot be one."""
    found = ACCEPTED.fullmatch(text)
    return found[1].lower() if found else None


def source_of(text: str) -> str:
    """Who asks, in one spelling, so that another spelling is no fresh budget.

    An IPv4 address, also one in IPv6, is itself; an IPv6 address is its network. Port, brackets, zone and letter case
    tell nobody apart. Anything else is text, cut short.
    """
    bare = text.strip()
    if found := WITH_PORT.fullmatch(bare):
        bare = found[1] if found[2] is None else found[2]
    try:
        address = canonical(bare.partition("%")[0])
    except ValueError:
        return bare.lower()[:LONGEST]
    return canonical(f"{address}/{NETWORK}") if ":" in address and "/" not in address else address


class DirectNotFound(NotFound):
    """No such direct address."""

    reason = "DIRECT_NOT_FOUND"


class DirectNotEnabled(FailedPrecondition):
    """The extension has no direct address to regenerate."""

    reason = "DIRECT_NOT_ENABLED"


class DirectFlagsConflict(InvalidArgument):
    """A direct address cannot be disabled and regenerated at once."""

    reason = "DIRECT_FLAGS_CONFLICT"


class HashUnavailable(Unavailable):
    """No new direct hash could be made."""

    reason = "DIRECT_HASH_UNAVAILABLE"


class LookupRateLimited(ResourceExhausted):
    """Too many unknown hashes were asked for."""

    reason = "LOOKUP_RATE_LIMITED"
