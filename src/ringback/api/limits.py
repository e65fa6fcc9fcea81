"""What one caller gets of us: requests a second, refused keys a minute, and places beside those of other customers."""

import asyncio
import math
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import sha256
from typing import Final

from ringback.api.call import Caller
from ringback.kit.budget import Budget
from ringback.kit.errors import NotFound, PermissionDenied, ResourceExhausted, Unauthenticated
from ringback.kit.gate import Gates
from ringback.kit.rate import LARGEST, Buckets, Rate, Taken
from ringback.registrar.directs.model import source_of

HEADERS: Final = "ringback.limits"
"""Where in a request's scope the headers stand that its answer gets."""
PLACES: Final = 8
"""Requests of one customer that are worked on at once."""
WAITING_PLACES: Final = 128
"""The same of requests that mostly wait for others; they are in nobody's way, and long."""
PAUSE: Final = 60.0
HOLD: Final = 0.2
"""Seconds that whoever asked too often waits for the answer that says so, more or less: they shall not come in step."""
MOST_HELD: Final = 1000
NONE: Final = Rate(1, 1)


class RateLimited(ResourceExhausted):
    """This comes too often: try again after the seconds in Retry-After."""

    reason = "RATE_LIMITED"

    def __init__(self, seconds: float = 1.0) -> None:
        super().__init__()
        self.seconds = max(math.ceil(seconds), 1)


class Limits:
    """Counts before the database is asked: a credential that was let in before by its hash, any other by its address.

    `requests` and `refusals` are `None` where there is no such limit.
    """

    def __init__(self, rate: Rate = NONE, requests: Buckets | None = None, refusals: Budget | None = None) -> None:
        self._rate = rate
        self._requests = requests
        self._refusals = refusals
        self._doors = Gates(PLACES, RateLimited)
        self._places = Gates(PLACES, RateLimited)
        self._waiting_places = Gates(WAITING_PLACES, RateLimited)
        self._held = 0
        self._known: OrderedDict[str, str] = OrderedDict()

    async def admit(
        self, credential: str, address: str, who: Callable[[], Awaitable[Caller]], headers: dict[str, str]
    ) -> Caller:
        """Whom `who` finds, if they have not asked too much; `RateLimited` else, and nobody has been asked.

        `headers` gets what the answer says of their budget.
        """
        if not credential:
            return await who()
        hash = sha256(credential.encode()).hexdigest()
        if whose := self._known.get(hash):
            self._known.move_to_end(hash)
            await self._take(hash, headers)
        elif self._refusals and await self._refusals.is_shut(source_of(address)):
            raise RateLimited(PAUSE)
        try:
            async with self._doors.place(whose or address):
                caller = await who()
        except Unauthenticated:
            self._known.pop(hash, None)
            if self._refusals:
                await self._refusals.spend(source_of(address))
            raise
        except PermissionDenied:
            if whose is None:
                await self._meet(hash, hash, headers)
            raise
        if whose is None:
            await self._meet(hash, _whose(caller), headers)
        return caller

    async def hold(self) -> None:
        """Let somebody wait who has asked too often, so that a flood slows itself down; not more than so many."""
        if self._held < MOST_HELD:
            self._held += 1
            try:
                await asyncio.sleep(random.uniform(0.5, 1.5) * HOLD)  # noqa: S311
            finally:
                self._held -= 1

    def place(self, caller: Caller, *, guesses: bool = False, waits: bool = False) -> AbstractAsyncContextManager[None]:
        """One of the places of their customer, while the request is worked on; of the platform each has places.

        Who has no key yet, or `guesses` a password, is counted by their address. What mostly `waits` has its own.
        """
        if guesses or (caller.customer_id is None and not caller.identity):
            return self._trying(source_of(caller.address))
        return (self._waiting_places if waits else self._places).place(_whose(caller))

    @asynccontextmanager
    async def _trying(self, address: str) -> AsyncIterator[None]:
        """The same by an address: what is refused within, or not found, counts like a refused key."""
        if self._refusals and await self._refusals.is_shut(address):
            raise RateLimited(PAUSE)
        try:
            async with self._places.place(address):
                yield
        except (Unauthenticated, NotFound):
            if self._refusals:
                await self._refusals.spend(address)
            raise

    async def _meet(self, hash: str, whose: str, headers: dict[str, str]) -> None:
        self._known[hash] = whose
        if len(self._known) > LARGEST:
            self._known.popitem(last=False)
        await self._take(hash, headers)

    async def _take(self, hash: str, headers: dict[str, str]) -> None:
        if self._requests is None:
            return
        taken = await self._requests.take(hash)
        headers.update(self._headers(taken))
        if not taken.is_within:
            raise RateLimited(taken.wait)

    def _headers(self, taken: Taken) -> dict[str, str]:
        """`RateLimit` and `RateLimit-Policy`, as the IETF's draft 10 of them has it: `t` until all of `q` is back."""
        until = math.ceil((self._rate.burst - taken.left) * self._rate.each / 1_000_000)
        return {
            "ratelimit-policy": f'"key";q={self._rate.burst};w={self._rate.window}',
            "ratelimit": f'"key";r={taken.left};t={until}',
        }


def _whose(caller: Caller) -> str:
    return str(caller.customer_id or caller.identity or caller.address)
