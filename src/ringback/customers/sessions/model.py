"""A session, and the refresh tokens that follow one another in it."""

import base64
import binascii
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from ringback.kit.errors import NotFound
from ringback.kit.secret import Secret

PREFIX: Final = "rr_"
LENGTH: Final = timedelta(days=30)
"""How long a session may be refreshed."""
LONGEST: Final = 255
"""Characters that are kept of what a client calls itself."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where a session was seen last: the client's address, and what its program calls itself, if that is known."""

    address: str | None = None
    user_agent: str | None = None

    @classmethod
    def of(cls, address: str | None, user_agent: str) -> "Device":
        """Of what a request says; only what can be shown, and as much as there is room for."""
        shown = "".join(filter(str.isprintable, user_agent)).strip()[:LONGEST]
        return cls((address or "")[:64] or None, shown or None)


class SessionNotFound(NotFound):
    """There is no such session, or not any more."""

    reason = "SESSION_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Session:
    """What is kept of it: hashes of what all its refresh tokens have in common and of the one that works now."""

    id: UUID
    person_id: UUID
    family_hash: str
    refresh_hash: str
    tm_create: datetime
    tm_expire: datetime
    tm_refresh: datetime | None = None
    address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """`rr_` and 64 base64url characters: the session's id, what the session's tokens share, and what is this one's."""

    session_id: UUID
    family: bytes
    own: bytes

    @classmethod
    def first(cls, session_id: UUID) -> "RefreshToken":
        return cls(session_id, secrets.token_bytes(16), secrets.token_bytes(16))

    def next(self) -> "RefreshToken":
        return RefreshToken(self.session_id, self.family, secrets.token_bytes(16))

    @classmethod
    def parse(cls, text: str) -> "RefreshToken | None":
        """The token of a text in its one spelling; `None` where it is none."""
        try:
            raw = base64.b64decode(text.removeprefix(PREFIX), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        token = cls(UUID(bytes=raw[:16]), raw[16:32], raw[32:]) if len(raw) == 48 else None
        return token if token and token.text.reveal() == text else None

    @property
    def text(self) -> Secret:
        return Secret(PREFIX + base64.urlsafe_b64encode(self.session_id.bytes + self.family + self.own).decode())

    @property
    def family_hash(self) -> str:
        return sha256(self.family).hexdigest()

    @property
    def hash(self) -> str:
        return sha256(self.text.reveal().encode()).hexdigest()
