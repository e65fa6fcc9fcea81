"""A contact: one binding of an AOR, as Asterisk wrote it down."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from math import isfinite
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from ringback.kit.errors import NotFound
from ringback.sip.kamailio_phones import contact_in

STATE: Final = ("uri", "user_agent", "via_addr", "via_port", "reg_server", "call_id", "expiration_time", "path")
"""What we remember of a contact, to notice that it came, went or expired."""
PLACE: Final = tuple(name for name in STATE if name != "expiration_time")
"""All of that but for how long."""
LATEST: Final = 253_402_300_799
"""The last second that has a date: 9999-12-31T23:59:59Z."""


class Cause(StrEnum):
    """Why a contact went before its time."""

    REMOVED = "removed"
    API = "api"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    EXTENSION_DELETED = "extension_deleted"


class ContactNotFound(NotFound):
    """No such contact."""

    reason = "CONTACT_NOT_FOUND"


@dataclass(frozen=True, slots=True)
class Contact:
    """A row of `ps_contacts`, as peers see it too (registrar 4).

    `uri` is as stored, `expiration_time` in seconds since 1970; NULLs are empty values.
    """

    id: str
    uri: str
    expiration_time: int
    qualify_frequency: int
    outbound_proxy: str
    path: str
    user_agent: str
    qualify_timeout: float
    reg_server: str
    authenticate_qualify: str
    via_addr: str
    via_port: int
    call_id: str
    endpoint: str
    prune_on_boot: str

    @property
    def plain_uri(self) -> str:
        """The phone's own contact; `uri` is what Asterisk dials."""
        return contact_in(plain(self.path)) or plain(self.uri)

    @property
    def is_at_edge(self) -> bool:
        """Whether every server reaches it, by the edge where it has registered."""
        return contact_in(plain(self.path)) != ""

    @property
    def transport(self) -> str:
        """The `transport` parameter of the URI (RFC 3261 19.1.1); `udp` when it names none, `tls` for sips."""
        found = re.search(r";transport=([^;>?]+)", self.plain_uri, re.IGNORECASE)
        default = "tls" if self.plain_uri.lower().startswith("sips:") else "udp"
        return found[1].lower() if found else default

    @property
    def expire_time(self) -> datetime:
        return datetime.fromtimestamp(min(self.expiration_time, LATEST), UTC)

    @property
    def state(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in STATE)

    @property
    def public_id(self) -> str:
        """32 hex characters that name this contact to customers."""
        return public_id(self.id)


def public_id(id: str) -> str:
    """What a contact with that row is called to customers."""
    return sha256(id.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a phone's history: a contact that was `registered`, `unregistered` or `expired`, as it was then.

    `contact` is its public id; texts are as people read them.
    """

    id: UUID
    customer_id: UUID
    extension_id: UUID
    event: str
    cause: str
    contact: str
    uri: str
    transport: str
    user_agent: str
    via_addr: str
    via_port: int
    path: str
    reg_server: str
    tm_create: datetime


@dataclass(frozen=True, slots=True)
class Summary:
    """When the phone was seen last (now, if it is registered; never: `None`), and how steady it is.

    `address_changes` are registrations from another address than the one before; `flaps_last_hour` those of the last
    hour that followed the end of a contact within it. Both look at the newest 1,000 entries.
    """

    last_seen: datetime | None
    address_changes: int
    flaps_last_hour: int


def plain(text: str) -> str:
    """The text with `;` where Asterisk's realtime wrote `^3B`, and its other escapes."""
    return re.sub(r"\^([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), text)


@dataclass(slots=True)
class Refreshed:
    """Contacts that are the same as before but for their time alone (`longer`: its end by the id), or for more."""

    longer: dict[str, int] = field(default_factory=dict)
    other: list[Contact] = field(default_factory=list)

    def note(self, new: Mapping[str, Any], old: Mapping[str, Any]) -> None:
        """What has become of one, as rows have it."""
        if _as_written(new) != _as_written(old) and _as_read(new) != _as_read(old):
            self.other.append(from_row(new))
        elif (until := _whole(new["expiration_time"])) != _whole(old["expiration_time"]):
            self.longer[new["id"]] = until


WHOLE: Final = re.compile(r"\s*([+-]?\d{1,4000})", re.ASCII)
SMALLEST: Final = -(2**63)
GREATEST: Final = 2**63 - 1


def from_row(row: Mapping[str, Any]) -> Contact:
    """A contact out of `ps_contacts`, or out of what we remember of one."""
    return Contact(**{name: read(row.get(name)) for name, read in READ.items()})


_as_written: Final = itemgetter(*PLACE)


def _as_read(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The same where a NULL is an empty value, and a number may stand there as text."""
    return tuple(READ[name](row[name]) for name in PLACE)


def _text(raw: Any) -> str:
    return "" if raw is None else str(raw)


def _whole(raw: Any) -> int:
    """A whole number as CAST reads it: SQLite keeps what Asterisk gave it, also text in a number's place."""
    if isinstance(raw, int | float):
        return int(min(max(raw, SMALLEST), GREATEST))
    found = WHOLE.match(_text(raw))
    return min(max(int(found[1]), SMALLEST), GREATEST) if found else 0


def _number(raw: Any) -> float:
    try:
        number = float(raw or 0)
    except ValueError:
        return 0.0
    return number if isfinite(number) else 0.0


READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(Contact.__slots__, _text),
    **dict.fromkeys(("expiration_time", "qualify_frequency", "via_port"), _whole),
    "qualify_timeout": _number,
}
