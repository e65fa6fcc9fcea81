"""Drift as JSON: the first rows, and how many there are of each kind."""

from itertools import islice
from typing import Annotated, Final
from uuid import UUID

import msgspec

from ringback.kit.reading import Asked
from ringback.registrar.drift.model import Action, Drift, Pass, State

SHOWN: Final = 1000
"""Rows of one answer at most."""
REPAIRED: Final = 1000
"""Repairs of one request, unless it says another number."""

Size = Annotated[
    int, msgspec.Meta(ge=1, le=SHOWN, description=f"how many rows the answer shows, 1 to {SHOWN}; it counts all")
]
Most = Annotated[
    int, msgspec.Meta(ge=1, le=10_000, description="how many repairs are made at most, 1 to 10000; the rest is `left`")
]
Now = Annotated[bool, msgspec.Meta(description="true: rows of nobody go at once, not 60 s after they were first seen")]


class ListDrift(Asked, frozen=True, kw_only=True):
    """How many rows are shown."""

    page_size: Size = 100


class RepairDrift(Asked, frozen=True, kw_only=True):
    """How much is repaired, and how many rows are shown."""

    page_size: Size = 100
    most: Most = REPAIRED
    force: Now = False


class DriftColumn(msgspec.Struct, frozen=True):
    """A column, what is there and what should be; null is NULL. A password or digest is `differs` and `hidden`."""

    column: str
    found: str | None
    wanted: str | None


class DriftRow(msgspec.Struct, frozen=True):
    """A SIP row that is not what it should be: missing (`add`), altered (`correct`), or nobody's (`remove`).

    `object_id` is the extension or trunk that the row is of, `customer_id` whose it is. `state` is `due`, or after a
    repair `done`, `failed` or `left` for the next one; `waiting` is a row of nobody whose 60 s are not over.
    """

    table: str
    id: str
    action: Action
    state: State
    customer_id: UUID | None
    object_id: UUID | None
    columns: list[DriftColumn]


class DriftCount(msgspec.Struct, frozen=True):
    """How many rows of a table are in the same case."""

    table: str
    action: Action
    state: State
    rows: int


class DriftReport(msgspec.Struct, frozen=True):
    """What differs between our truth and the SIP tables: `total` rows, counted by table, the first of them in `result`.

    `unread` are tables that could not be compared: the log says why.
    """

    total: int
    counts: list[DriftCount]
    unread: list[str]
    result: list[DriftRow]


def report(found: Pass, size: int, *, dry_run: bool) -> DriftReport:
    due: State = "due" if dry_run else "done"
    return DriftReport(
        found.total,
        [DriftCount(*key, rows) for key, rows in found.counts(due).items()],
        found.unread,
        [shown(drift, state) for drift, state in islice(found.rows(due), size)],
    )


def shown(drift: Drift, state: State) -> DriftRow:
    columns = [DriftColumn(one.column, one.found, one.wanted) for one in drift.columns]
    return DriftRow(drift.table, drift.name, drift.action, state, drift.customer_id, drift.object_id, columns)
