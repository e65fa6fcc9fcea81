"""One Redis: asked in a moment or not at all, left alone while it is away, and never a reason to fail."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, SSLConnection
from redis.asyncio import Redis as Client
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ringback.kit.breaker import Breaker, State
from ringback.transports.redis.address import Address

T = TypeVar("T")

PATIENCE: Final = 0.1
"""Seconds for one answer, with all that it takes to be connected."""
PAUSE: Final = 1.0
"""Seconds that it is left alone after it failed."""
CONNECTIONS: Final = 32

log = structlog.get_logger()


class Away(Exception):
    """There is no answer, and nobody need be told."""


def nothing(what: object) -> None: ...


class Redis:
    """A server as the rest of this folder asks it. That it goes and that it comes back is logged, once each.

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
        self._client = client_of(address)
        self._failed = failed
        self._changed = changed
        self._breaker = Breaker(silences=1, pause=PAUSE, clock=clock, changed=self._note)
        self._is_away = False

    async def ask(self, use: str, talk: Callable[[Any], Awaitable[T]]) -> T:
        """What `talk` with the client comes to, or `Away`."""
        turn = self._breaker.admit()
        if turn is None:
            raise Away
        try:
            async with asyncio.timeout(self.patience):
                answer = await talk(self._client)
        except (RedisError, OSError, TimeoutError) as error:
            if not self._is_away:
                self._is_away = True
                log.warning("Redis is away", action="redis", error=told(error))
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

    def _note(self, state: State) -> None:
        if state is State.CLOSED:
            self._is_away = False
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


def told(error: Exception) -> str:
    """The kind of an error, and the code that a server's own complaint begins with."""
    first = str(error).partition(" ")[0]
    kind = type(error).__name__
    return f"{kind}: {first}" if first.isalpha() and first.isupper() else kind
