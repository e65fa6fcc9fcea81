"""An import: many rows of one kind that become extensions or trunks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from ringback.kit.errors import FailedPrecondition, Fault, InvalidArgument
from ringback.registrar.billing import Kind

MOST_ROWS: Final = 100_000
"""Rows of one import: their keys and the passwords that are made for them are held in memory."""
MOST_FAULTS: Final = 10_000
"""Faults that are told; all are counted."""

Mode = Literal["all_or_nothing", "row_by_row"]
OnConflict = Literal["fail", "skip", "update"]
"""What becomes of a row whose number or name is there already, and not the same."""
Passwords = Literal["generate", "given"]
"""Whether rows without a password get one, or are refused."""


class State(StrEnum):
    """How far an import is. Rows are collected and judged; then those that are new are made, and then the changes;
    or what was made is taken back. At the end its rows go."""

    STAGING = "staging"
    CREATING = "creating"
    UPDATING = "updating"
    UNDOING = "undoing"
    ENDING = "ending"


ALONE: Final = {State.STAGING: timedelta(seconds=60)}
SOON: Final = timedelta(seconds=10)
"""How long nobody has to have gone on with an import until somebody else may; with uploads one is more patient."""


@dataclass(frozen=True, slots=True)
class Import:
    """What must be finished of it; `done` is the last line that the state has been through."""

    id: UUID
    customer_id: UUID
    kind: Kind
    state: State
    done: int
    tm_update: datetime

    def is_left(self, now: datetime) -> bool:
        """Whether nobody is at work on it any more."""
        return now - self.tm_update > ALONE.get(self.state, SOON)


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """A row that was judged, as it is kept until its turn comes."""

    line: int
    id: UUID
    """Of what it makes or changes."""
    asked: Any
    """What is said of it, without its password: of the shape it was asked in, or read again a mapping."""
    kept: dict[str, str | None] | None
    """What is kept of that."""
    realm: str

    def __repr__(self) -> str:
        return f"Waiting(line={self.line})"


@dataclass(frozen=True, slots=True)
class LineFault:
    """What is wrong in one line; `field` is empty where it is the line as a whole."""

    line: int
    field: str
    description: str


class ImportRefused(InvalidArgument):
    """Rows of the import are wrong: nothing was done."""

    reason = "IMPORT_REFUSED"

    def __init__(self, faults: list[LineFault]) -> None:
        super().__init__(*(Fault(f"line {one.line}: {one.field}".rstrip(": "), one.description) for one in faults))
        self.lines = faults

    def detail_objects(self) -> list[dict[str, object]]:  # type: ignore[override]
        """With the line by itself, for programs."""
        return [{"field": one.field, "description": one.description, "line": one.line} for one in self.lines]


class ImportRunning(FailedPrecondition):
    """Another import of this customer is not finished yet; try again in a minute."""

    reason = "IMPORT_RUNNING"


class ImportTakenOver(FailedPrecondition):
    """The import stood still for so long that it was finished or given up elsewhere; send it again."""

    reason = "IMPORT_TAKEN_OVER"
