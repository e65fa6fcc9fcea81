"""What is counted of the calls of one router extension on this node, since it began to be called."""

from bisect import bisect_left
from typing import Final

BOUNDS: Final = (1, 5, 10, 25, 50, 100, 200, 500, 1000, 5000, 30000)
"""Milliseconds of the histogram (router 4.2)."""
OTHER: Final = "other"
"""Customers beyond the first thousand."""


class Tally:
    """For metrics: each call once, whatever came of it."""

    __slots__ = ("by_status", "latencies", "milliseconds", "opened", "retries")

    def __init__(self) -> None:
        self.by_status: dict[tuple[str, str], int] = {}
        """Calls by what came of them and by customer, whose name is empty where customers are not told apart."""
        self.latencies = [0] * (len(BOUNDS) + 1)
        self.milliseconds = 0.0
        self.retries: dict[int, int] = {1: 0}
        """How often it was asked for the first, the second ... time again."""
        self.opened: dict[str, int] = dict.fromkeys(("consecutive", "rate", "half_open_failure", "forced"), 0)

    def call(self, status: str, customer: str, attempts: int, milliseconds: float) -> None:
        key = (status, customer)
        self.by_status[key] = self.by_status.get(key, 0) + 1
        if attempts:
            self.latencies[bisect_left(BOUNDS, milliseconds)] += 1
            self.milliseconds += milliseconds
        if attempts > 1:
            for number in range(1, attempts):
                self.retries[number] = self.retries.get(number, 0) + 1


class Customers:
    """Names of customers for a label: those of the first thousand, all others are one."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._names: set[str] = set()

    def label(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= self._most:
                return OTHER
            self._names.add(name)
        return name
