"""Buckets that all instances share."""

from collections.abc import Callable
from typing import Final

from ringback.kit.rate import SECOND, Buckets, Rate, Taken
from ringback.transports.redis.refusals import Away
from ringback.transports.redis.server import Redis

USE: Final = "rate"
TAKE: Final = """
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local each, burst = tonumber(ARGV[2]), tonumber(ARGV[3])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + each
local room = burst * each - (full - now)
if room >= 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
end
return room
"""
"""The arithmetic of `Rate.taken` in one step of the server, by its clock unless a test has one."""


class SharedBuckets:
    """`Buckets` (kit/rate.py) under `prefix`; while Redis is away each instance counts by itself."""

    def __init__(
        self, redis: Redis, prefix: str, rate: Rate, alone: Buckets, clock: Callable[[], float] | None = None
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._rate = rate
        self._alone = alone
        self._clock = clock

    async def take(self, key: str) -> Taken:
        now = "" if self._clock is None else round(self._clock() * SECOND)
        asked = (TAKE, 1, f"{self._prefix}{key}", now, self._rate.each, self._rate.burst)
        try:
            room: int = await self._redis.ask(USE, lambda client: client.eval(*asked))
        except Away:
            return await self._alone.take(key)
        return Taken(True, room // self._rate.each, 0.0) if room >= 0 else Taken(False, 0, -room / SECOND)
