"""How often something may happen: so many times a minute for each key, then a pause."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

LARGEST: Final = 100_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """`limit` events within `window` seconds; the next one shuts the key for `pause` seconds."""

    limit: int
    window: float = 60.0
    pause: float = 60.0


class Budget(Protocol):
    """Keeps the accounts of an allowance, one for each key."""

    async def is_shut(self, key: str) -> bool: ...

    async def spend(self, key: str) -> bool:
        """Count one event; whether it was within the budget."""


@dataclass(slots=True)
class _Account:
    spent: list[float] = field(default_factory=list)
    shut_until: float = 0.0


class LocalBudget:
    """The accounts of this process.

    The keys least recently spent are forgotten beyond `largest`, so that a flood of keys cannot fill the memory.
    """

    def __init__(
        self, allowance: Allowance, *, clock: Callable[[], float] = time.monotonic, largest: int = LARGEST
    ) -> None:
        self._allowance = allowance
        self._clock = clock
        self._largest = largest
        self._accounts: OrderedDict[str, _Account] = OrderedDict()

    async def is_shut(self, key: str) -> bool:
        account = self._accounts.get(key)
        return account is not None and self._clock() < account.shut_until

    async def spend(self, key: str) -> bool:
        now = self._clock()
        account = self._accounts.setdefault(key, _Account())
        self._accounts.move_to_end(key)
        account.spent = [at for at in account.spent if at > now - self._allowance.window]
        if len(account.spent) >= self._allowance.limit:
            account.shut_until = now + self._allowance.pause
            return False
        account.spent.append(now)
        while len(self._accounts) > self._largest:
            self._accounts.popitem(last=False)
        return True
