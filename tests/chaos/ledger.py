"""What was asked and what was answered: from that follows what must be, what may be and what must not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID, uuid4

Kind = Literal["extensions", "trunks"]
Status = Literal["active", "frozen", "deleted"]
Shaken = Callable[[float, float], bool]

AFTERMATH = 1.0
"""Seconds after an answer in which the end of its daemon may still bring the request to another one."""
ORIGIN = "detail"
"""The field that says which request made an object; no change touches it."""


@dataclass(slots=True)
class Attempt:
    """A request that would change something, when it was sent and when it was answered, if it was."""

    verb: Literal["create", "change", "delete"]
    values: dict[str, Any]
    sent: float
    answered: float | None = None

    def may_come_again(self, was_shaken: Shaken) -> bool:
        """Whether it may be done (once more) after its answer, at any time until all queues are empty."""
        return self.answered is None or was_shaken(self.sent, self.answered + AFTERMATH)


@dataclass(slots=True)
class Slot:
    """A number of a customer, or a trunk's domain name: free, or taken by one object after the other."""

    customer: "Customer"
    kind: Kind
    number: str
    id: UUID | None = None
    """Of the object that must be there."""
    wanted: dict[str, Any] = field(default_factory=dict)
    """What it must be like; what nobody knows is left out."""
    gone: list[UUID] = field(default_factory=list)
    """The objects that were there before."""
    attempts: list[Attempt] = field(default_factory=list)
    """Since all was at rest the last time."""
    story: list[str] = field(default_factory=list)

    def allowed(self, name: str, was_shaken: Shaken) -> set[Any]:
        """What a field may be; empty: anything."""
        if name not in self.wanted:
            return set()
        again = (attempt.values for attempt in self.attempts if attempt.may_come_again(was_shaken))
        return {self.wanted[name], *(values[name] for values in again if name in values)}

    def may_return(self, was_shaken: Shaken) -> bool:
        """Whether something may be made here that nobody asks for any more."""
        return any(self.origins(was_shaken))

    def origins(self, was_shaken: Shaken) -> Iterator[str]:
        """The marks of what may be made here by a request that is done late or twice."""
        for attempt in self.attempts:
            if attempt.verb == "create" and attempt.may_come_again(was_shaken):
                yield attempt.values[ORIGIN]

    def takes(self, id: UUID, **wanted: Any) -> None:
        """The object of that id is there now."""
        self.id, self.wanted = id, wanted

    def frees(self) -> None:
        """Nothing is there any more."""
        if self.id:
            self.gone.append(self.id)
        self.id, self.wanted = None, {}

    def settles(self) -> None:
        """All queues are empty: nothing will be done late."""
        self.attempts.clear()

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of {self.customer.id}:\n    " + "\n    ".join(self.story[-20:])


@dataclass(slots=True)
class Customer:
    """A customer, with all that is theirs. `told` is what customer-manager said last."""

    id: UUID = field(default_factory=uuid4)
    told: Status = "active"
    may_be: set[Status] = field(default_factory=lambda: {"active"})
    """What they may be for us, until all is at rest."""
    slots: list[Slot] = field(default_factory=list)

    def tells(self, status: Status) -> None:
        self.told = status
        self.may_be.add(status)

    def settles(self) -> None:
        self.may_be = {self.told}
        for slot in self.slots:
            slot.settles()


@dataclass(slots=True)
class Ledger:
    """All of it. `stale` are keys of another service in Redis that must go."""

    customers: list[Customer] = field(default_factory=list)
    stale: set[str] = field(default_factory=set)

    def slots(self) -> Iterator[Slot]:
        for customer in self.customers:
            yield from customer.slots

    def settles(self) -> None:
        for customer in self.customers:
            customer.settles()
