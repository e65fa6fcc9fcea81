"""What others say on a channel of a database: a connection of its own that listens, and comes back when it is lost."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from ringback.kit.deadline import Deadline

SHORTEST, LONGEST = 0.1, 5.0
"""Seconds between two tries to connect; twice as many each time, and by chance up to half of that less."""
BEAT: Final = 10.0
"""Seconds of silence after which the server is asked whether it is there."""

log = structlog.get_logger()


class Ear(Protocol):
    """An open connection that can listen."""

    async def listen(self, channel: str, begun: Callable[[], None], heard: Callable[[], None], beat: float) -> None:
        """Call `begun`, then `heard` for all that is said, until the connection is lost, which raises."""

    def close(self) -> None: ...


class Hearing:
    """Calls `heard` for every word on the channel.

    What was said while there was no connection is lost: `heard` is called once when it is there, and `missed` when it
    is there again.
    """

    def __init__(
        self,
        open: Callable[[], Awaitable[Ear]],
        channel: str,
        heard: Callable[[], None],
        missed: Callable[[], None],
    ) -> None:
        self._open = open
        self._channel = channel
        self._heard = heard
        self._missed = missed
        self._times = self._failures = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._listen()
            except Exception as error:
                if not self._failures:
                    log.warning("nobody listens to the database", action="database", error=type(error).__name__)
            self._failures += 1
            longest = min(LONGEST, SHORTEST * 2 ** min(self._failures, 10))
            await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311

    async def _listen(self) -> None:
        with Deadline.after(LONGEST):
            ear = await self._open()
        try:
            await ear.listen(self._channel, self._begun, self._heard, BEAT)
        finally:
            ear.close()

    def _begun(self) -> None:
        self._failures = 0
        self._times += 1
        (self._heard if self._times == 1 else self._missed)()
