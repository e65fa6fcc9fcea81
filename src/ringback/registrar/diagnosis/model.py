"""A diagnosis: what was looked at, what was seen, and what to do."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ringback.kit.checks import Check, State


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was looked at of one extension at one moment, the most probable reason first."""

    id: UUID
    customer_id: UUID
    endpoint_id: str
    at: datetime
    checks: tuple[Check, ...]

    @property
    def problem(self) -> Check | None:
        """The most probable reason why the phone does not work."""
        return self._first("problem")

    @property
    def summary(self) -> str:
        """One sentence: the most probable reason and what to do."""
        if problem := self.problem:
            return problem.sentence
        where = next(check.seen for check in self.checks if check.name == "contacts")
        if warning := self._first("warning"):
            return f"{where}. {warning.sentence}"
        return f"{where}; nothing is wrong that Ringback can see."

    def _first(self, state: State) -> Check | None:
        return next((check for check in self.checks if check.state == state), None)
