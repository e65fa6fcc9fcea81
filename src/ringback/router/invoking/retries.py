"""How long one call may take: its attempts, and the pauses between them (router R-9b, R-9c)."""

from functools import lru_cache
from typing import Final

FIRST_PAUSE, LONGEST_PAUSE = 100, 2000
"""Milliseconds before the first retry, twice as long before each further one, and at most."""
SHORTEST: Final = 0.5
"""The least share of a pause that is waited."""


def pause_ms(number: int) -> int:
    """Before retry 0, 1, ... at most."""
    return min(FIRST_PAUSE << number, LONGEST_PAUSE)


@lru_cache(256)
def longest_ms(timeout_ms: int, retry: int) -> int:
    """That a call may take at most, pauses included."""
    return timeout_ms * (retry + 1) + sum(map(pause_ms, range(retry)))
