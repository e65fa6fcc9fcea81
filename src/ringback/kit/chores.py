"""What a process does again and again beside its requests."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from ringback.kit.errors import Failure

log = structlog.get_logger()


async def again_and_again(once: Callable[[], Awaitable[object]], pause: float, *, action: str, failure: str) -> None:
    """Until cancelled, with so many seconds between. An outage is waited for, and told of once as that `failure`."""
    fails = False
    while True:
        try:
            await once()
            fails = False
        except Exception as error:
            told = error.sentence if isinstance(error, Failure) else repr(error)
            (log.debug if fails else log.warning)(failure, action=action, error=told)
            fails = True
        await asyncio.sleep(pause)
