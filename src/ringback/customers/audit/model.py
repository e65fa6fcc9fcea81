"""A removal: entries of the audit log that were kept for long enough, and go."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Removal:
    """Entries up to that number that are older than `tm_until`."""

    id: UUID
    last_number: int
    tm_until: datetime


@dataclass(frozen=True, slots=True)
class Old:
    """What is to go: so many entries, from the oldest one's time on, up to that number."""

    last_number: int
    tm_from: datetime
    count: int
