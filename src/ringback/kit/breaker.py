"""Leaves somebody who does not answer alone: after so many silences a pause, then one probe."""

import time
from collections.abc import Callable
from enum import IntEnum
from typing import Final, NewType

SILENCES: Final = 5
PAUSE: Final = 30.0
"""Seconds."""

Turn = NewType("Turn", int)
"""A leave to ask, given back with what came of it."""


class State(IntEnum):
    """Closed lets everybody through, open nobody, probing has let one through and waits for what comes of it."""

    CLOSED = 0
    OPEN = 1
    PROBING = 2


def nothing(state: State) -> None: ...


class Breaker:
    """Opens after `silences` of them in a row; `pause` seconds later one probe decides.

    What comes of a turn counts only in the state that it was given in: whoever was let through before the breaker
    opened neither closes it nor makes its pause longer. `changed` hears of every new state.
    """

    def __init__(
        self,
        *,
        silences: int = SILENCES,
        pause: float = PAUSE,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[State], None] = nothing,
    ) -> None:
        self.state = State.CLOSED
        self._limit = silences
        self._pause = pause
        self._clock = clock
        self._changed = changed
        self._turn = Turn(0)
        self._silences = 0
        self._open_until = 0.0

    def admit(self) -> Turn | None:
        """A leave to ask now, or `None`. Each one is followed by exactly one of the three below."""
        if self.state is State.OPEN and self._clock() >= self._open_until:
            self._become(State.PROBING)
            return self._turn
        return self._turn if self.state is State.CLOSED else None

    def answered(self, turn: Turn) -> None:
        """There was an answer, whatever it said."""
        if turn != self._turn:
            return
        self._silences = 0
        if self.state is State.PROBING:
            self._become(State.CLOSED)

    def silent(self, turn: Turn) -> None:
        """There was no answer in time."""
        if turn != self._turn:
            return
        self._silences += 1
        if self.state is State.PROBING or self._silences >= self._limit:
            self._silences = 0
            self._open_until = self._clock() + self._pause
            self._become(State.OPEN)

    def undecided(self, turn: Turn) -> None:
        """Asking ended without telling us anything, as when the asker gave up: the next one is the probe again."""
        if turn == self._turn and self.state is State.PROBING:
            self._become(State.OPEN)

    def _become(self, state: State) -> None:
        self.state = state
        self._turn = Turn(self._turn + 1)
        self._changed(state)
