"""A node: one process of the router, what it serves, and when it was there last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

STALE: Final = timedelta(seconds=15)
"""A node that has not been heard of for longer is waited for by nobody."""
GONE: Final = timedelta(hours=24)
"""A node that has not been heard of for longer will not come back."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a node serves; `nack` names the rows that it cannot, each with `id` and `description`."""

    applied_revision: int
    checksum: str
    source: str
    nack: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RouterNode:
    """A node as the others know it."""

    node_id: str
    served: Served
    last_seen: datetime

    def is_stale(self, now: datetime) -> bool:
        return now - self.last_seen > STALE

    def is_gone(self, now: datetime) -> bool:
        return now - self.last_seen > GONE


@dataclass(frozen=True, slots=True)
class Applied:
    """Who serves a revision: the number of nodes that are there, and the names of those that do not yet."""

    revision: int
    nodes: int
    pending: list[str]
