"""A trunk: a carrier or PBX connection of a customer."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from ringback.kit.errors import AlreadyExists, Fault, NotFound
from ringback.kit.secret import Secret
from ringback.sip.digest import Kept, Storage
from ringback.sip.edge import Credential

AuthType = Literal["basic", "ip"]
"""How a trunk proves itself: by digest of a username and a password, by the address that it sends from."""

DOMAIN: Final = re.compile(
    r"(?=.{2,31}\Z)[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
USERNAME: Final = re.compile(r"[!#-9<-\[\]_-~]{0,64}")
"""Printable ASCII without what a header or a quoted string would trip over; empty is none."""
MOST_ADDRESSES: Final = 100


@dataclass(frozen=True, slots=True)
class Trunk:
    """One connection. `domain_name` and `realm` never change; `kept` is all that there is of the password.

    `outbound`: by it the phones of the customer call numbers that are no extension's; one trunk of theirs is.

    What belongs to a way of proof that is not among `auth_types` is kept for later and counts for nothing.
    """

    id: UUID
    customer_id: UUID
    domain_name: str
    realm: str
    auth_types: tuple[AuthType, ...]
    username: str
    kept: Kept
    allowed_ips: tuple[str, ...]
    tm_create: datetime
    name: str = ""
    detail: str = ""
    outbound: bool = False
    tm_update: datetime | None = None
    tm_delete: datetime | None = None

    @property
    def credential(self) -> Credential:
        """What the SIP edge is told of it."""
        return Credential(
            self.id, "trunk", self.realm, self.username, self.kept, tuple(self.auth_types), self.allowed_ips
        )

    @property
    def has_password(self) -> bool:
        password = self.kept.password
        return self.kept.ha1 is not None or (password is not None and password.reveal() != "")


@dataclass(frozen=True, slots=True)
class Provisioned:
    """A trunk after a create or a change; `secret` is the clear password if this request set it."""

    trunk: Trunk
    secret: Secret | None = None


def no_password(storage: Storage) -> Kept:
    """What is kept where there is no password: nothing, or in plaintext mode the empty one, as the Go service does."""
    return Kept(password=Secret("")) if storage == "plaintext" else Kept()


def lacking(
    auth_types: Collection[str], username: str | None, allowed_ips: Collection[str] | None, *, password: bool
) -> Iterator[Fault]:
    """What a trunk lacks for the ways it shall prove itself; a value that is `None` has been found wrong already."""
    if username == "" and "basic" in auth_types:
        yield Fault("username", "is required with basic")
    elif username == "" and password:
        yield Fault("username", "is required with a password")
    if "ip" in auth_types and allowed_ips is not None and not allowed_ips:
        yield Fault("allowed_ips", "is required with ip")


class TrunkNotFound(NotFound):
    """No such trunk."""

    reason = "TRUNK_NOT_FOUND"


class DomainTaken(AlreadyExists):
    """There is a trunk with that domain name already."""

    reason = "TRUNK_DOMAIN_ALREADY_EXISTS"


class OutboundTaken(AlreadyExists):
    """Another trunk of the customer is the one that calls go out by."""

    reason = "TRUNK_OUTBOUND_ALREADY_EXISTS"
