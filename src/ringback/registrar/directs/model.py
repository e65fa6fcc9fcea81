"""A direct address: `sip:direct.<hash>@<domain>` rings one extension for whoever knows it."""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from ringback.kit.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted, Unavailable

ACCEPTED: Final = re.compile(r"(?:direct\.)?([0-9a-f]{12,64})", re.IGNORECASE | re.ASCII)

IN_LOGS: Final = (
    re.compile(r"(direct\.|by-direct-hash/(?:direct\.)?|hash=(?:direct\.)?)([0-9A-Fa-f]{4})[0-9A-Fa-f]{2,60}"),
    r"\1\2…",
)
"""A hash in a URI is cut to its first 4 characters before a log shows it."""


@dataclass(frozen=True, slots=True)
class Direct:
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
