"""What requests about extensions and about trunks have in common: fields, their rules (registrar 6), and shapes."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from re import Pattern
from typing import Annotated, Any, Final, Generic, TypeVar
from uuid import UUID

from ringback.kit.audit import Actor
from ringback.kit.errors import Fault
from ringback.kit.reading import Asked, Identity, read, rule
from ringback.kit.secret import Secret
from ringback.sip.digest import Kept

C = TypeVar("C", bound="Change")
T = TypeVar("T")

PASSWORD: Final = re.compile(r"[!-:<-\]_-~]{8,80}")
"""Printable ASCII without space; `;` and `^` are escapes to Asterisk's realtime."""
TEXT: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,255}")


@dataclass(frozen=True, slots=True)
class Wanted(Generic[T]):
    """What is to be made: `asked` says what, `id` is its id where that is known, `kept` what is kept of its password.

    Without `kept` that is made of the password that is asked for, or of a new one. `by` is who asks for it, if that is
    not who is at work.
    """

    asked: T
    id: UUID | None = None
    kept: Kept | None = None
    by: Actor | None = None


def whole(pattern: Pattern[str]) -> Callable[[str], bool]:
    """Whether a text is of that pattern from its first to its last character."""
    return lambda text: pattern.fullmatch(text) is not None


Text = Annotated[
    str,
    rule(
        "at most 255 characters, no control characters",
        whole(TEXT),
        maxLength=255,
        pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$",
    ),
]
Password = Annotated[
    Secret,
    rule(
        "8 to 80 printable ASCII characters without space, ; and ^",
        lambda secret: PASSWORD.fullmatch(secret.reveal()) is not None,
        pattern=r"^[!-:<-\]_-~]{8,80}$",
        writeOnly=True,
    ),
]
ONE_PASSWORD: Final[dict[str, Any]] = {
    "required": ["password", "password_regenerate"],
    "properties": {"password": {"type": "string"}, "password_regenerate": {"const": True}},
}
"""What no change may be, in JSON Schema: the same as `Change.faults_together`."""


class OfCustomer(Asked, frozen=True, kw_only=True):
    """A request about one customer."""

    customer_id: Identity


class Change(Asked, frozen=True, kw_only=True):
    """What is to become different; absent and null fields stay as they are."""

    name: Text | None = None
    detail: Text | None = None
    password: Password | None = None
    password_regenerate: bool | None = None

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        if values.get("password_regenerate") and "password" in values:
            yield Fault("password_regenerate", "must not be true together with a password")


class Filters(Asked, frozen=True, kw_only=True):
    """Which of them a peer wants: equality, ANDed; of one customer, or the one of that id."""

    id: Identity | None = None
    customer_id: Identity | None = None
    name: str | None = None
    domain_name: str | None = None
    realm: str | None = None
    username: str | None = None
    deleted: bool | None = None

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        if not values.keys() & {"id", "customer_id"}:
            yield Fault("customer_id", "is required, or id")


def change_from_peer(shape: type[C], data: Mapping[str, object], empty: str) -> C:
    """The change that a PUT over RPC asks for.

    Go's api-manager always sends a password, empty when there is none; `empty` says what that does (keep, refuse).
    """
    if empty == "keep" and data.get("password") == "":
        data = {name: value for name, value in data.items() if name != "password"}
    return read(shape, data)
