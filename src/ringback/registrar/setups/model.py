"""A setup link: whoever opens it sets up the phone, once; and what a phone must be told."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from ringback.kit.errors import FailedPrecondition, NotFound
from ringback.kit.secret import Secret
from ringback.spellings import Transport

PREFIX: Final = "rs_"
USUAL_MINUTES: Final = 15
MOST_MINUTES: Final = 24 * 60
PLACE: Final = "/v1.0/setup"
"""Where links are opened: the token follows."""


@dataclass(frozen=True, slots=True)
class SetupLink:
    """What is kept of a link; an extension has one at most. It works before `tm_expire`."""

    extension_id: UUID
    token_hash: str
    tm_create: datetime
    tm_expire: datetime


@dataclass(frozen=True, slots=True)
class PhoneSettings:
    """What a phone is told. `port` 0 is what DNS says, or the transport's own; without a `password` there is none yet.

    The phone registers as `number@realm` with `server`, and proves itself to `realm` as `username`.
    """

    number: str
    name: str
    username: str
    realm: str
    server: str
    port: int
    transport: Transport
    password: Secret | None = None

    @property
    def uri(self) -> str:
        """The phone's own address."""
        return f"sip:{self.number}@{self.realm}"

    @property
    def place(self) -> str:
        """The server as `host` or `host:port`."""
        return f"{self.server}:{self.port}" if self.port else self.server

    @property
    def usual_port(self) -> int:
        """The port for phones that want to be told one."""
        return self.port or (5061 if self.transport == "tls" else 5060)


def new_token() -> Secret:
    """`rs_` and 43 characters: 256 random bits."""
    return Secret(PREFIX + secrets.token_urlsafe(32))


def hash_of(token: str) -> str:
    """What is kept of a token, and found by it."""
    return sha256(token.encode(errors="replace")).hexdigest()


class PublicUrlNotSet(FailedPrecondition):
    """Nothing says what a link would begin with: set public_url."""

    reason = "PUBLIC_URL_NOT_SET"


class SetupLinkNotFound(NotFound):
    """This link does not work, or not any more: ask for a new one."""

    reason = "SETUP_LINK_NOT_FOUND"
