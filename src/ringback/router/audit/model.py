"""An entry of the audit log: who did what, when, and the hash that chains it to the one before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple

import msgspec

from ringback.kit.audit import Actor
from ringback.router.canonical import text_of, time_of

Entity = Literal["extension", "policy", "registry"]
FIRST: Final = "0" * 64
"""The `prev_hash` of the first entry."""


BY_HAND: Final = Actor("external:sql", "sql")
"""Whoever changed rows behind our back."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One change; `old_values` and `new_values` are canonical JSON without secrets."""

    id: int
    entity: Entity
    extension_id: str
    action: str
    changed_by: str
    source: str
    request_id: str | None
    registry_revision: int
    old_values: str | None
    new_values: str | None
    timestamp: datetime
    prev_hash: str
    hash: str = ""

    def computed(self) -> str:
        """SHA-256 of the hash before, a newline, and the canonical JSON of all other columns (R-5b)."""
        others = {
            "id": self.id,
            "entity": self.entity,
            "extension_id": self.extension_id,
            "action": self.action,
            "changed_by": self.changed_by,
            "source": self.source,
            "request_id": self.request_id,
            "registry_revision": self.registry_revision,
            "old_values": self.old_values,
            "new_values": self.new_values,
            "timestamp": time_of(self.timestamp),
        }
        return sha256(f"{self.prev_hash}\n{text_of(others)}".encode()).hexdigest()

    def changes(self) -> dict[str, dict[str, Any]]:
        """Field to its old and its new value, of those that are not the same."""
        old, new = (_fields(text) for text in (self.old_values, self.new_values))
        return {
            name: {"old": old.get(name), "new": new.get(name)}
            for name in sorted({*old, *new})
            if old.get(name) != new.get(name)
        }


def _fields(text: str | None) -> Mapping[str, Any]:
    return msgspec.json.decode(text) if text else {}


class Mark(NamedTuple):
    """An entry as something outside of the database remembers it: where it is no more, newer ones have gone with it."""

    id: int
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look at the whole chain has found; `first_bad` is the id of the first entry that is not as written."""

    ok: bool
    checked: int
    first_bad: int | None
    head: int
