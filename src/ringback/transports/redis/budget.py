"""A budget that all instances share."""

from collections.abc import Callable
from typing import Final

from ringback.kit.budget import Allowance, Budget
from ringback.transports.redis.refusals import Away
from ringback.transports.redis.server import Redis

USE: Final = "budget"
NOW: Final = """
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
"""
"""Milliseconds, the same for all instances: by the server's clock unless a test has one."""
IS_SHUT: Final = f"""{NOW}
local shut_until = redis.call('GET', KEYS[1])
return (shut_until and now < tonumber(shut_until)) and 1 or 0
"""
SPEND: Final = f"""{NOW}
local limit, window, pause = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local oldest = redis.call('LINDEX', KEYS[2], 0)
while oldest and tonumber(oldest) <= now - window do
  redis.call('LPOP', KEYS[2])
  oldest = redis.call('LINDEX', KEYS[2], 0)
end
if redis.call('LLEN', KEYS[2]) >= limit then
  redis.call('SET', KEYS[1], string.format('%.0f', now + pause), 'PX', pause)
  return 0
end
redis.call('RPUSH', KEYS[2], string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[2], window)
return 1
"""


class SharedBudget:
    """A `Budget` (kit/budget.py) under `prefix`; while Redis is away each instance counts by itself.

    Window and pause are 60 s at most, as nothing of ours stays longer.
    """

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        allowance: Allowance,
        alone: Budget,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._limits = (allowance.limit, round(allowance.window * 1000), round(allowance.pause * 1000))
        self._alone = alone
        self._clock = clock

    async def is_shut(self, key: str) -> bool:
        try:
            return bool(await self._run(IS_SHUT, key))
        except Away:
            return await self._alone.is_shut(key)

    async def spend(self, key: str) -> bool:
        try:
            return bool(await self._run(SPEND, key, *self._limits))
        except Away:
            return await self._alone.spend(key)

    async def _run(self, script: str, key: str, *limits: int) -> int:
        """Each script in one step of the server."""
        names = (f"{self._prefix}{{{key}}}:shut", f"{self._prefix}{{{key}}}:spent")
        now = "" if self._clock is None else round(self._clock() * 1000)
        answer: int = await self._redis.ask(USE, lambda client: client.eval(script, len(names), *names, now, *limits))
        return answer
