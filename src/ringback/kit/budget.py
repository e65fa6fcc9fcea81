"""How often something may happen: so many times a minute for each key, then a pause."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

LARGEST: Final = 100_000


@dataclass(slots=True)
class _Account:
    spent: list[float] = field(default_factory=list)
    shut_until: float = 0.0


class Budget(Generic[K]):
    """`limit` events within `window` seconds; the next one shuts the key for `pause` seconds.

    The keys least recently spent are forgotten beyond `largest`, so that a flood of keys cannot fill the memory.
    """

    def __init__(
        self,
        limit: int,
        *,
        window: float = 60.0,
        pause: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        largest: int = LARGEST,
    ) -> None:
        self._limit = limit
        self._window = window
        self._pause = pause
        self._clock = clock
        self._largest = largest
        self._accounts: OrderedDict[K, _Account] = OrderedDict()

    def is_shut(self, key: K) -> bool:
        account = self._accounts.get(key)
        return account is not None and self._clock() < account.shut_until

    def spend(self, key: K) -> bool:
        """Count one event; whether it was within the budget."""
        now = self._clock()
        account = self._accounts.setdefault(key, _Account())
        self._accounts.move_to_end(key)
        account.spent = [at for at in account.spent if at > now - self._window]
        if len(account.spent) >= self._limit:
            account.shut_until = now + self._pause
            return False
        account.spent.append(now)
        while len(self._accounts) > self._largest:
            self._accounts.popitem(last=False)
        return True
