"""An access key: `rb_` and 43 characters that stand for a customer, or for the platform's operator."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from ringback.kit.errors import FailedPrecondition, NotFound
from ringback.kit.secret import Secret

PREFIX: Final = "rb_"
SHOWN: Final = 10
"""Characters of a key that may be shown, so that people can tell their keys apart."""
OPERATOR: Final = "operator"
ADMIN: Final = "admin"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """What is kept of a key: its hash, whose it is (`None`: the platform's own), and what it may do."""

    id: UUID
    customer_id: UUID | None
    name: str
    token_hash: str
    token_prefix: str
    roles: tuple[str, ...]
    tm_create: datetime
    tm_expire: datetime | None = None
    tm_revoke: datetime | None = None

    def state(self, now: datetime) -> Literal["working", "expired", "revoked"]:
        if self.tm_revoke is not None:
            return "revoked"
        return "expired" if self.tm_expire is not None and now >= self.tm_expire else "working"

    def document(self) -> dict[str, Any]:
        """The same as JSON, to be kept outside the database."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def of(cls, document: object) -> "AccessKey":
        """The key of a document that was kept; `ValueError` where it is none."""
        return msgspec.convert(document, cls)

    def works(self, now: datetime) -> bool:
        return self.state(now) == "working"


class KeysExist(FailedPrecondition):
    """There are access keys already: 'ringback key create NAME --role operator' makes one more."""

    reason = "ACCESSKEYS_EXIST"


class KeyNotFound(NotFound):
    """There is no such access key."""

    reason = "ACCESSKEY_NOT_FOUND"


class KeysAlike(FailedPrecondition):
    """Several access keys begin like this: name one by its id."""

    reason = "ACCESSKEYS_ALIKE"


def new_token() -> Secret:
    """`rb_` and 32 random bytes as 43 base64url characters."""
    return Secret(PREFIX + secrets.token_urlsafe(32))


def token_hash(token: str) -> str:
    """SHA-256 hex: enough for a random key, and quick."""
    return sha256(token.encode()).hexdigest()
