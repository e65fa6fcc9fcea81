"""A SIP row that is not what it should be, and what a pass over all of them found and did."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from ringback.registrar.strays import Stray
from ringback.sip.differences import Difference

Action = Literal["add", "correct", "remove"]
State = Literal["due", "done", "waiting", "failed", "left"]


@dataclass(frozen=True, slots=True)
class Drift:
    """A SIP row that is not what it should be.

    `id` is an endpoint name, or in the edge's table the id of an extension or trunk, or whatever somebody put there.
    `object_id` is that of the extension or trunk, `customer_id` whose it is: `None` where the row is nobody's.
    `columns` are those to be corrected.
    """

    table: str
    id: object
    action: Action
    columns: tuple[Difference, ...] = field(default=(), compare=False)
    customer_id: UUID | None = field(default=None, compare=False)
    object_id: UUID | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The id in one line."""
        return self.id.hex() if isinstance(self.id, bytes) else str(self.id)

    @property
    def stray(self) -> Stray:
        return self.table, self.name[:255]


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass repaired (a dry one: would repair), and what it could not.

    `waiting` are the rows of nobody whose grace has not ended; `failed` rows could not be repaired, `unread` tables not
    be compared: the log says why. `left` are due, but more than this pass was to repair.
    """

    due: list[Drift] = field(default_factory=list)
    waiting: list[Drift] = field(default_factory=list)
    failed: list[Drift] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    left: list[Drift] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return not self.failed and not self.unread

    @property
    def total(self) -> int:
        return len(self.due) + len(self.waiting) + len(self.failed) + len(self.left)

    def rows(self, due: State) -> Iterator[tuple[Drift, State]]:
        """Every row with its state; what was due is called so, or `done`."""
        states: tuple[tuple[list[Drift], State], ...] = (
            *((self.failed, "failed"), (self.due, due)),
            *((self.left, "left"), (self.waiting, "waiting")),
        )
        for drifts, state in states:
            for drift in drifts:
                yield drift, state

    def counts(self, due: State) -> dict[tuple[str, Action, State], int]:
        """How many rows of a table, by what is to be done with them and their state."""
        return dict(Counter((drift.table, drift.action, state) for drift, state in self.rows(due)))
