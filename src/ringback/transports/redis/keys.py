"""Keys of another service in Redis, which are deleted and nothing else."""

from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import NoPermissionError

from ringback.transports.redis.refusals import Away
from ringback.transports.redis.server import Redis

USE: Final = "keys"
BATCH: Final = 500
UNKNOWN: Final = "unknown"


class OthersKeys:
    """Another's `Keys` (kit/stale.py)."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    async def delete(self, names: Sequence[str]) -> bool:
        try:
            for start in range(0, len(names), BATCH):
                some = names[start : start + BATCH]
                await self.redis.ask(USE, lambda client, some=some: client.unlink(*some))  # type: ignore[misc]
        except Away:
            return False
        return True

    async def run(self) -> str | None:
        try:
            return await self.redis.ask(USE, _run_of)
        except Away:
            return None


async def _run_of(client: Any) -> str:
    try:
        found = await client.info("server")
    except NoPermissionError:
        return UNKNOWN
    return str(found.get("run_id", UNKNOWN))
