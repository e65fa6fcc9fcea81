"""All that is ours in one Redis, and all that we have to do with another's there."""

from collections.abc import Callable
from typing import Final, TypeVar

from ringback.kit.breaker import State
from ringback.kit.budget import Allowance, Budget
from ringback.kit.rate import Buckets, Rate
from ringback.transports.redis.address import Address
from ringback.transports.redis.budget import SharedBudget
from ringback.transports.redis.cache import SharedCache
from ringback.transports.redis.keys import OthersKeys
from ringback.transports.redis.rate import SharedBuckets
from ringback.transports.redis.server import Redis

V = TypeVar("V")

OURS: Final = "ringback:v1:"
"""What every key of ours begins with; such a key is gone after 60 s at most."""


class RedisStore:
    """`failed` hears of every answer that did not come, by what it was for; `changed` of the state of the breaker."""

    def __init__(self, address: Address, failed: Callable[[str], None], changed: Callable[[State], None]) -> None:
        self.redis = Redis(address, failed=failed, changed=changed)
        self.keys = OthersKeys(self.redis)

    def cache(self, name: str, kind: type[V]) -> SharedCache[V]:
        return SharedCache(self.redis, f"{OURS}{name}:", kind)

    def budget(
        self, name: str, allowance: Allowance, alone: Budget, clock: Callable[[], float] | None = None
    ) -> SharedBudget:
        """`alone` counts while Redis is away; `clock` (seconds) stands for that of Redis."""
        return SharedBudget(self.redis, f"{OURS}{name}:", allowance, alone, clock)

    def buckets(self, name: str, rate: Rate, alone: Buckets, clock: Callable[[], float] | None = None) -> SharedBuckets:
        """The same of rates."""
        return SharedBuckets(self.redis, f"{OURS}{name}:", rate, alone, clock)

    async def close(self) -> None:
        await self.redis.close()
