"""Another service as we ask it: by envelopes, in time, and not while it does not answer."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import structlog

from ringback.kit.breaker import Breaker, State
from ringback.kit.errors import Failure, InvalidJsonBody, PeerUnavailable
from ringback.kit.log import new_request_id
from ringback.kit.replies import UnreadableReply, data_of
from ringback.kit.rpc import Send
from ringback.kit.secret import Secret

TIMEOUT: Final = 3.0
"""Seconds that a reply may take."""

T = TypeVar("T")

log = structlog.get_logger()


class Observer(Protocol):
    """Hears of every request to others; `resource` is a route pattern, without ids."""

    def observe_asked(self, target: str, resource: str, method: str, milliseconds: float) -> None: ...

    def observe_breaker(self, target: str, state: int) -> None: ...

    def observe_rejected(self, target: str) -> None: ...


class Unobserved:
    """Nobody listens."""

    def observe_asked(self, target: str, resource: str, method: str, milliseconds: float) -> None: ...

    def observe_breaker(self, target: str, state: int) -> None: ...

    def observe_rejected(self, target: str) -> None: ...


class Peer:
    """One target; it has one breaker, so all who ask the same target in one process share one `Peer`.

    `publisher` is the name of whoever asks, `failures` the errors of this peer that have a class of their own.
    """

    def __init__(
        self,
        send: Send,
        target: str,
        publisher: str,
        failures: Iterable[type[Failure]] = (),
        *,
        timeout: float = TIMEOUT,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._target = target
        self._publisher = publisher
        self._failures = tuple(failures)
        self._timeout = timeout
        self._observer = observer or Unobserved()
        self._clock = clock
        self._breaker = Breaker(clock=clock, changed=self._changed)
        self._observer.observe_breaker(target, State.CLOSED)

    async def ask(
        self,
        decoder: msgspec.json.Decoder[T],
        method: str,
        pattern: str,
        *path: object,
        data: msgspec.Struct | None = None,
        query: Mapping[str, object] | None = None,
    ) -> T:
        """What the reply holds. `path` are the values of the pattern's `<…>`; what is None in the others is absent."""
        json = await self.tell(method, pattern, *path, data=data, query=query)
        try:
            return decoder.decode(json)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UnreadableReply from None

    async def tell(
        self,
        method: str,
        pattern: str,
        *path: object,
        data: msgspec.Struct | None = None,
        query: Mapping[str, object] | None = None,
    ) -> bytes:
        """The same for a request whose reply holds nothing; or the JSON in it."""
        uri = filled(pattern, path, query or {})
        envelope = self._envelope(method, uri, data)
        return data_of(await self._exchange(method, pattern, envelope), self._failures)

    def _envelope(self, method: str, uri: str, data: msgspec.Struct | None) -> bytes:
        bound = structlog.contextvars.get_contextvars().get("request_id")
        sent: dict[str, Any] = {"uri": uri, "method": method, "publisher": self._publisher, "data_type": ""}
        if data is not None:
            given = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not None}
            sent |= {"data_type": "application/json", "data": given}
        try:
            return msgspec.json.encode({**sent, "request_id": str(bound or new_request_id())}, enc_hook=_revealed)
        except UnicodeEncodeError:
            raise InvalidJsonBody from None

    async def _exchange(self, method: str, pattern: str, envelope: bytes) -> bytes:
        turn = self._breaker.admit()
        if turn is None:
            self._observer.observe_rejected(self._target)
            raise PeerUnavailable(asked=False)
        started = self._clock()
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._send(self._target, envelope, self._timeout)
            self._breaker.answered(turn)
        except TimeoutError:
            self._breaker.silent(turn)
            raise PeerUnavailable from None
        except OSError as error:
            log.warning("a peer cannot be reached", action="ask", target=self._target, error=str(error))
            raise PeerUnavailable from None
        finally:
            self._breaker.undecided(turn)
            self._observer.observe_asked(self._target, pattern, method, (self._clock() - started) * 1000)
        return answer

    def _changed(self, state: State) -> None:
        log.warning("breaker", action="ask", target=self._target, state=state.name.lower())
        self._observer.observe_breaker(self._target, state)


def filled(pattern: str, path: Iterable[object], query: Mapping[str, object]) -> str:
    """The URI of a pattern: each value of the path is percent-encoded whole, `+` and `/` included."""
    values = iter(path)
    segments = (
        quote(str(next(values)), safe="", errors="replace") if segment.startswith("<") else segment
        for segment in pattern.split("/")
    )
    uri = "/".join(segments)
    asked = {name: value for name, value in query.items() if value is not None}
    return f"{uri}?{urlencode(asked, errors='replace')}" if asked else uri


def _revealed(value: object) -> object:
    """Passwords are clear in an envelope, and only there."""
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(type(value).__name__)
