"""What a registry says of itself: how a load went, what there is, and which rows are broken."""

from typing import Literal

import msgspec

Source = Literal["none", "database", "snapshot"]


class RouterRejected(msgspec.Struct, frozen=True):
    """A row that somebody has broken, and what is wrong with it; its last good version is served."""

    id: str
    description: str


class RouterReloaded(msgspec.Struct, frozen=True):
    """How a reload went; `changed` counts the records that are new, other or gone."""

    ok: bool
    revision: int
    changed: int
    rejected: list[RouterRejected]
    error: str | None = None


class RouterStats(msgspec.Struct, frozen=True):
    """The registry of a node.

    `last_reload` is in milliseconds since 1970, of the last one that went well; 0 before any. `degraded`: the database
    did not answer the last time; `snapshot_age_s`: seconds since what is served was known to be what the database says,
    `null` while that is so.
    """

    node_id: str
    last_reload: int
    load_count: int
    error_count: int
    total_extensions: int
    enabled_extensions: int
    revision: int
    checksum: str
    hits: int
    misses: int
    source: Source
    degraded: bool
    snapshot_age_s: float | None
