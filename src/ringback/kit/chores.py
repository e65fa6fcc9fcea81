"""What a process does again and again beside its requests."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from ringback.kit.errors import Failure

log = structlog.get_logger()


class Outage:
    """A failure that lasts is told of when it begins, and when its reason is another, until it is over."""

    def __init__(self, action: str, failure: str) -> None:
        self._action = action
        self._failure = failure
        self._reason = ""

    def tell(self, error: Exception) -> None:
        known = isinstance(error, Failure)
        reason = error.sentence if isinstance(error, Failure) else repr(error)
        if reason != self._reason:
            log.warning(self._failure, action=self._action, error=reason, exc_info=None if known else error)
        self._reason = reason

    def is_over(self) -> None:
        self._reason = ""


async def again_and_again(once: Callable[[], Awaitable[object]], pause: float, *, action: str, failure: str) -> None:
    """Until cancelled, with so many seconds between. An outage is waited for, and told of once as that `failure`."""
    outage = Outage(action, failure)
    while True:
        try:
            await once()
            outage.is_over()
        except Exception as error:
            outage.tell(error)
        await asyncio.sleep(pause)
