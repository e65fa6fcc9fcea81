"""Columns of a SIP row that are not what they should be, told without a secret."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

SECRET: Final = frozenset({"password", "md5_cred", "password_digest", "ha1", "ha1_sha256"})
OTHER: Final = "differs"
HIDDEN: Final = "hidden"
LONGEST: Final = 255


@dataclass(frozen=True, slots=True)
class Difference:
    """A column, what is there and what should be: each as text, `None` for NULL.

    Of a secret no more is said than whether there is one: `differs` and `hidden`.
    """

    column: str
    found: str | None
    wanted: str | None

    def __str__(self) -> str:
        """`max_contacts: 70, not 3`"""
        if self.found == OTHER:
            return f"{self.column} {OTHER}"
        found, wanted = ("NULL" if value is None else value for value in (self.found, self.wanted))
        return f"{self.column}: {found}, not {wanted}"


def differences(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[Difference, ...]:
    """The columns that are not as wanted, by name of `wanted`; whatever somebody has put into the row."""
    return tuple(_told(name, row[name], value) for name, value in wanted.items() if row[name] != value)


def _told(column: str, found: object, wanted: object) -> Difference:
    if column in SECRET:
        return Difference(column, None if found is None else OTHER, None if wanted is None else HIDDEN)
    return Difference(column, _text(found), _text(wanted))


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value if value is None else value[:LONGEST]
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)[:LONGEST].hex()[:LONGEST]
    return msgspec.json.encode(value, enc_hook=str).decode()[:LONGEST]
