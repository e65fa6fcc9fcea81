"""One Redis: asked in a moment or not at all, left alone while it is away, and never a reason to fail."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, SSLConnection
from redis.asyncio import Redis as Client
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, RedisError

from ringback.kit.breaker import Breaker, State
from ringback.kit.errors import CannotStart
from ringback.transports.redis.address import Address
from ringback.transports.redis.refusals import Away, Refused, of

T = TypeVar("T")

PATIENCE: Final = 0.1
"""Seconds for one answer, with all that it takes to be connected."""
FIRST_PATIENCE: Final = 2.0
"""The same when a start wants to know whether it is let in."""
PAUSE: Final = 1.0
"""Seconds that it is left alone after it failed."""
CONNECTIONS: Final = 32
AWAY: Final = "Redis does not answer."
REFUSED: Final = "Redis refuses us; the log says why."

log = structlog.get_logger()


def nothing(what: object) -> None: ...


class Redis:
    """A server as the rest of this folder asks it. That it goes, that it refuses us and that it is back is logged,
    once each.

    `failed` hears of every answer that did not come, by what it was for; `changed` of every state of the breaker.
    """

    def __init__(
        self,
        address: Address,
        *,
        failed: Callable[[str], None] = nothing,
        changed: Callable[[State], None] = nothing,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.patience = patience
        self._address = address
        self._client = client_of(address)
        self._failed = failed
        self._changed = changed
        self._breaker = Breaker(silences=1, pause=PAUSE, clock=clock, changed=self._note)
        self._is_away = False
        self._is_refused = False

    async def require(self) -> None:
        """`CannotStart` if it says no. Whether it is there does not matter."""
        try:
            async with asyncio.timeout(FIRST_PATIENCE):
                await ping(self._client)
        except (RedisError, OSError, TimeoutError) as error:
            reason = of(error, self._address)
            if isinstance(reason, Refused):
                raise CannotStart(str(reason)) from None

    async def state(self) -> str:
        """`ok`, or a sentence for who looks after us."""
        try:
            await self.ask("ready", ping)
        except Away:
            return REFUSED if self._is_refused else AWAY
        return "ok"

    async def ask(self, use: str, talk: Callable[[Any], Awaitable[T]]) -> T:
        """What `talk` with the client comes to, or `Away`."""
        turn = self._breaker.admit()
        if turn is None:
            raise Away
        try:
            async with asyncio.timeout(self.patience):
                answer = await talk(self._client)
        except (RedisError, OSError, TimeoutError) as error:
            self._lament(of(error, self._address))
            self._failed(use)
            self._breaker.silent(turn)
            raise Away from None
        except BaseException:
            self._breaker.undecided(turn)
            raise
        self._breaker.answered(turn)
        return answer

    async def close(self) -> None:
        await self._client.aclose()

    def _lament(self, reason: Away) -> None:
        """Say once an outage that it is away, and once that it refuses us."""
        if isinstance(reason, Refused):
            if not self._is_refused:
                log.error("Redis refuses us", action="redis", setting=reason.setting, error=reason.why)
            self._is_refused = True
        elif not self._is_away and not self._is_refused:
            log.warning("Redis is away", action="redis", error=str(reason))
            self._is_away = True

    def _note(self, state: State) -> None:
        if state is State.CLOSED:
            self._is_away = self._is_refused = False
            log.info("Redis is back", action="redis")
        self._changed(state)


def client_of(address: Address) -> Any:
    """A client that is not connected yet, tries nothing twice, and never gives up by itself."""
    files: dict[str, Any] = dict(address.files)
    pool: BlockingConnectionPool = BlockingConnectionPool(
        CONNECTIONS,
        None,
        connection_class=SSLConnection if address.is_tls else Connection,
        host=address.host,
        port=address.port,
        username=address.user or None,
        password=address.password.reveal() or None,
        db=address.database,
        protocol=2,
        driver_info=None,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=None,
        socket_connect_timeout=None,
        **files,
    )
    return Client.from_pool(pool)


async def ping(client: Any) -> None:
    """Whether it is there and lets us in; what else we may do there is another matter."""
    with suppress(NoPermissionError):
        await client.ping()
