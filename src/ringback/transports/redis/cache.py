"""A cache that all instances share."""

from contextlib import suppress
from typing import Final, Generic, TypeVar

import msgspec

from ringback.transports.redis.refusals import Away
from ringback.transports.redis.server import Redis

V = TypeVar("V")

LONGEST: Final = 60.0
"""Seconds that anything of ours stays in Redis at most."""
USE: Final = "cache"


class SharedCache(Generic[V]):
    """A `Cache` (kit/cache.py) of values of one kind, as JSON under `prefix`. While Redis is away it is empty."""

    def __init__(self, redis: Redis, prefix: str, kind: type[V]) -> None:
        self._redis = redis
        self._prefix = prefix
        self._decoder = msgspec.json.Decoder(kind)

    async def get(self, name: str) -> V | None:
        try:
            raw = await self._redis.ask(USE, lambda client: client.get(self._prefix + name))
            return None if raw is None else self._decoder.decode(raw)
        except (Away, msgspec.DecodeError):
            return None

    async def fill(self, name: str, value: V, seconds: float) -> None:
        milliseconds = int(min(seconds, LONGEST) * 1000)
        if milliseconds > 0:
            raw = msgspec.json.encode(value)
            with suppress(Away):
                await self._redis.ask(USE, lambda client: client.set(self._prefix + name, raw, px=milliseconds))
