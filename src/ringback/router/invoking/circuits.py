"""What this node knows of the router extensions that it calls: breaker, places, health, counts; all in memory."""

import time
from collections.abc import Callable, Container, Iterable
from functools import partial
from random import random as any_share
from typing import Final
from uuid import UUID

import structlog

from ringback.router.extensions.model import RouterExtension
from ringback.router.invoking.breaker import CircuitBreaker, Reason, State
from ringback.router.invoking.bulkhead import PLACES, Bulkhead
from ringback.router.invoking.statuses import Statuses
from ringback.router.invoking.tally import Customers, Tally
from ringback.router.invoking.window import Window

LARGEST: Final = 1 << 20
"""Bytes of a reply, where its metadata names no `max_response_size`."""

log = structlog.get_logger()

Told = tuple[int, int, State]
Changed = Callable[[str, State, Reason], None]


class Circuit:
    """One router extension on this node. Times are of the clock of its circuits."""

    __slots__ = (
        "breaker", "bulkhead", "failures", "id", "largest", "last_failure", "last_ms", "last_success", "milliseconds",
        "revision", "successes", "tally", "type", "window", "written",
    )  # fmt: skip

    def __init__(self, record: RouterExtension, breaker: CircuitBreaker) -> None:
        self.id = record.id
        self.type = record.type
        self.breaker = breaker
        self.bulkhead = Bulkhead()
        self.window = Window()
        self.tally = Tally()
        self.successes = self.failures = 0
        """Calls that the database does not know of yet."""
        self.milliseconds = 0.0
        """How long those took together."""
        self.last_ms: float | None = None
        self.last_success: float | None = None
        self.last_failure: float | None = None
        self.written: Told = (0, 0, "closed")
        """What the database was told of its window and its breaker last."""
        self.largest = LARGEST
        """Bytes that a reply may have (R-9f)."""
        self.revision = 0

    def follow(self, record: RouterExtension) -> None:
        """Its record is this one now."""
        self.revision, self.type = record.revision, record.type
        self.largest = min(LARGEST, record.metadata.get("max_response_size") or LARGEST)
        self.bulkhead.limit = int(record.metadata.get("max_concurrency") or PLACES)
        self.breaker.force(record.breaker_override)

    @property
    def is_counted(self) -> bool:
        """Whether the database knows of all calls."""
        return not (self.successes or self.failures)

    def told(self, now: float) -> Told:
        """What the database is to know of its window and its breaker."""
        self.window.look(now)
        return self.window.successes, self.window.failures, self.breaker.state

    def is_news(self, now: float) -> bool:
        """Whether the database is to be told: what has changed, and again and again that the breaker is not closed.

        By that others see that this node is there.
        """
        told = self.told(now)
        return not self.is_counted or told != self.written or told[2] != "closed"

    def wrote(self, successes: int, failures: int, milliseconds: float, told: Told) -> None:
        """The database knows these calls now."""
        self.successes -= successes
        self.failures -= failures
        self.milliseconds = self.milliseconds - milliseconds if self.successes or self.failures else 0.0
        self.written = told

    def count(self, now: float, milliseconds: float, *, succeeded: bool) -> None:
        """A call that says something of its health; `milliseconds` are those of its last attempt."""
        self.window.add(now, milliseconds, succeeded=succeeded)
        self.milliseconds += milliseconds
        self.last_ms = milliseconds
        if succeeded:
            self.successes += 1
            self.last_success = now
        else:
            self.failures += 1
            self.last_failure = now


def unheard(id: str, state: State, reason: Reason) -> None: ...


class Circuits:
    """All of them by id. They begin with the first call, or when one is forced, and end with their record."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = any_share,
        customers: Customers | None = None,
    ) -> None:
        """`clock` is in seconds and only goes on; `customers` are told apart in what is counted, if they are."""
        self.clock: Final = clock
        self.by_id: dict[str, Circuit] = {}
        self.changed: Changed = unheard
        """Hears of every transition of a breaker."""
        self.statuses = Statuses()
        self._random = random
        self._customers = customers

    def of(self, record: RouterExtension) -> Circuit:
        circuit = self.by_id.get(record.id)
        if circuit is None:
            circuit = self.by_id[record.id] = self._made(record)
        if circuit.revision < record.revision:
            circuit.follow(record)
        return circuit

    def follow(self, records: Iterable[RouterExtension]) -> None:
        """What an operator forces is so at once, called or not (R-8e)."""
        for record in records:
            if record.breaker_override is not None or record.id in self.by_id:
                self.of(record)

    def keep(self, ids: Container[str]) -> None:
        """Forget all others, but for those whose calls the database does not know of yet."""
        for id in [id for id, circuit in self.by_id.items() if id not in ids and circuit.is_counted]:
            del self.by_id[id]
        self.statuses.keep(ids)

    def is_open(self, id: str) -> bool:
        """Whether no call of it is let through now."""
        circuit = self.by_id.get(id)
        return circuit is not None and circuit.breaker.is_open

    def label(self, customer_id: UUID | None) -> str:
        """The customer's name in what is counted."""
        return self._customers.label(str(customer_id or "")) if self._customers else ""

    def _made(self, record: RouterExtension) -> Circuit:
        changed = partial(self._change, record.id)
        return Circuit(record, CircuitBreaker(clock=self.clock, random=self._random, changed=changed))

    def _change(self, id: str, state: State, reason: Reason) -> None:
        tell = log.info if state == "closed" else log.warning
        tell("a breaker is another", action="breaker", extension=id, state=state, reason=reason)
        if state == "open" and (circuit := self.by_id.get(id)):
            circuit.tally.opened[reason] += 1
        self.changed(id, state, reason)
