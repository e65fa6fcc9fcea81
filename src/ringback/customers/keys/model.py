"""An access key: `rb_` and 43 characters that stand for a customer, or for the platform's operator."""

import secrets
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from ringback.kit.errors import FailedPrecondition, Fault, NotFound
from ringback.kit.networks import is_within
from ringback.kit.secret import Secret

PREFIX: Final = "rb_"
SHOWN: Final = 10
"""Characters of a key that may be shown, so that people can tell their keys apart."""
OPERATOR: Final = "operator"
ADMIN: Final = "admin"


State = Literal["working", "expired", "revoked"]


class Limits(msgspec.Struct, frozen=True):
    """What a credential is held to beside its roles: some scopes (`None`: all), some networks (none: all), an end."""

    scopes: frozenset[str] | None = None
    source_cidrs: tuple[str, ...] = ()
    tm_expire: datetime | None = None

    def exceeded_by(self, other: "Limits") -> Iterator[Fault]:
        """In what the other would be less limited than this."""
        if self.scopes is not None and (other.scopes is None or not self.scopes >= other.scopes):
            yield Fault("scopes", "must be some of your own key's")
        wide = [one for one in other.source_cidrs if not is_within(one, self.source_cidrs)]
        if self.source_cidrs and (wide or not other.source_cidrs):
            yield Fault("source_cidrs", "must lie within your own key's")
        if self.tm_expire and (other.tm_expire is None or other.tm_expire > self.tm_expire):
            yield Fault("expires_in_days", "must not be later than your own key's end")


FREE: Final = Limits()
"""Held to nothing but roles."""


class AccessKey(msgspec.Struct, frozen=True):
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
    scopes: tuple[str, ...] | None = None
    source_cidrs: tuple[str, ...] = ()
    tm_last_use: datetime | None = None

    @property
    def limits(self) -> Limits:
        scopes = None if self.scopes is None else frozenset(self.scopes)
        return Limits(scopes, self.source_cidrs, self.tm_expire)

    def may_come_from(self, address: str) -> bool:
        """Whether requests with it may come from there."""
        return not self.source_cidrs or is_within(address, self.source_cidrs)

    def state(self, now: datetime) -> State:
        if self.tm_revoke is not None:
            return "revoked"
        return "expired" if self.tm_expire is not None and now >= self.tm_expire else "working"

    def document(self) -> dict[str, Any]:
        """The same as JSON, to be kept outside the database, but for its use."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        del found["tm_last_use"]
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
