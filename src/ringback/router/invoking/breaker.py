"""The breaker of one router extension on this node: whoever fails again and again is left alone (R-8a, R-8b)."""

import time
from collections import deque
from collections.abc import Callable
from random import random as any_share
from typing import Final, Literal, get_args

from ringback.router.extensions.model import Force

State = Literal["closed", "open", "half_open"]
STATES: Final[tuple[State, ...]] = get_args(State)
Reason = Literal["consecutive", "rate", "half_open_failure", "forced"]
"""Why it opened; what follows has the reason of that opening."""

IN_A_ROW: Final = 5
"""Failures that open it."""
RATE: Final = 0.5
"""Share of failures that opens it."""
FROM: Final = 20
"""Attempts from which on the share counts."""
SPAN: Final = 60.0
"""Seconds of the share."""
GRAIN: Final = 0.1
"""Seconds that are counted together."""
OPEN: Final = 60.0
"""Seconds that it stays open, give or take a tenth."""
PROBES: Final = 3
"""Attempts in flight while it is half open."""
ENOUGH: Final = 2
"""Successes that close it then."""


class Recent:
    """Attempts of the last minute, to the tenth of a second."""

    __slots__ = ("_grains", "attempts", "failures")

    def __init__(self) -> None:
        self._grains: deque[list[int]] = deque()
        self.attempts = 0
        self.failures = 0

    def add(self, now: float, failed: int) -> None:
        grain = int(now / GRAIN)
        if not self._grains or self._grains[-1][0] != grain:
            self.look(now)
            self._grains.append([grain, 0, 0])
        newest = self._grains[-1]
        newest[1] += 1
        newest[2] += failed
        self.attempts += 1
        self.failures += failed

    def look(self, now: float) -> None:
        """Forget what is too old."""
        grain = int(now / GRAIN)
        while self._grains and self._grains[0][0] <= grain - SPAN / GRAIN:
            _, attempts, failures = self._grains.popleft()
            self.attempts -= attempts
            self.failures -= failures

    def clear(self) -> None:
        self._grains.clear()
        self.attempts = self.failures = 0


def unheard(state: State, reason: Reason) -> None: ...


class CircuitBreaker:
    """Asked before each attempt, and told what came of it; `changed` hears of every new state.

    What comes of an attempt counts only in the state that it was let through in. An operator may force it: nothing
    that is told changes it then, and whatever it knew is forgotten when that begins or ends.
    """

    __slots__ = (
        "_changed", "_clock", "_era", "_given", "_override", "_places", "_random", "_row", "_state", "_successes",
        "_until", "opened_at", "reason", "recent",
    )  # fmt: skip

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = any_share,
        changed: Callable[[State, Reason], None] = unheard,
    ) -> None:
        self._clock = clock
        self._random = random
        self._changed = changed
        self._override: Force | None = None
        self._state: State = "closed"
        self._era = self._given = 0
        self._places: dict[int, float] = {}
        self._row = self._successes = 0
        self._until = 0.0
        self.recent = Recent()
        self.reason: Reason | None = None
        """Why it is not closed."""
        self.opened_at: float | None = None
        """Since when it is not, of its clock."""

    @property
    def state(self) -> State:
        """What it is now; an open one is half open when its time is over."""
        if self._override is None and self._state == "open" and self._clock() >= self._until:
            self._become("half_open", self.reason or "consecutive")
        return self._state

    @property
    def is_open(self) -> bool:
        """Whether nobody is let through."""
        return self._state != "closed" and self.state == "open"

    def admit(self, ends: float) -> int | None:
        """A leave for an attempt that has ended by then, of its clock; `None` where there is none.

        It is given back by `ended`. One that is not gives its place to others at its end.
        """
        if self._state == "closed":
            return self._era
        if self.state == "open":
            return None
        now = self._clock()
        self._places = {number: until for number, until in self._places.items() if until > now}
        if len(self._places) >= PROBES:
            return None
        self._given += 1
        self._places[self._given] = ends
        return self._given

    def ended(self, turn: int, succeeded: bool | None) -> None:
        """What came of an attempt; `None` where that says nothing of the router extension."""
        if turn < self._era:
            return
        self._places.pop(turn, None)
        if succeeded is None:
            return
        if self._state == "half_open":
            self._probed(succeeded=succeeded)
        else:
            self._count(succeeded=succeeded)

    def force(self, override: Force | None) -> None:
        """Open or closed from now on, whatever happens; `None`: closed, and by itself again (R-8e)."""
        if override == self._override:
            return
        self._override = override
        state: State = override or "closed"
        if state == "open" and self.is_open:
            self.reason = "forced"
        elif state != self._state:
            self._become(state, "forced")
        else:
            self._begin()

    def _probed(self, *, succeeded: bool) -> None:
        self._successes += succeeded
        if not succeeded:
            self._open("half_open_failure")
        elif self._successes >= ENOUGH:
            self._become("closed", self.reason or "consecutive")

    def _count(self, *, succeeded: bool) -> None:
        self._row = 0 if succeeded else self._row + 1
        self.recent.add(self._clock(), not succeeded)
        if self._override is not None:
            return
        if self._row >= IN_A_ROW:
            self._open("consecutive")
        elif self.recent.attempts >= FROM and self.recent.failures >= RATE * self.recent.attempts:
            self._open("rate")

    def _open(self, reason: Reason) -> None:
        self._until = self._clock() + OPEN * (0.9 + 0.2 * self._random())
        self._become("open", reason)

    def _become(self, state: State, reason: Reason) -> None:
        self._state = state
        self._begin()
        if state == "closed":
            self.reason = self.opened_at = None
        elif state == "open":
            self.reason, self.opened_at = reason, self._clock()
        self._changed(state, reason)

    def _begin(self) -> None:
        """Of what was before nothing counts."""
        self._given += 1
        self._era = self._given
        self._places.clear()
        self._row = self._successes = 0
        self.recent.clear()
