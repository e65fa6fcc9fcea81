"""Envelopes in, envelopes out: what every service does with a request from the queue, a socket or a test."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec
import structlog

from ringback.kit.audit import Actor
from ringback.kit.errors import Failure, Internal, RouteNotFound
from ringback.kit.log import new_request_id
from ringback.kit.reading import Asked, object_of, read
from ringback.kit.routing import Found, Routes, WrongMethod
from ringback.kit.uow import UnitOfWork, Work

U = TypeVar("U", bound=UnitOfWork)
S = TypeVar("S", bound=Asked)

Serve = Callable[[bytes], Awaitable[bytes]]
"""A service as its transports see it: a request envelope to a reply envelope, both as bytes."""
Send = Callable[[str, bytes, float], Awaitable[bytes]]
"""A transport as those see it who ask: (target, request envelope, seconds that the reply may take) to the reply.

It need not watch the time; the seconds are for what it tells its carrier. `PeerUnavailable` where no such target is.
"""

log = structlog.get_logger()


class Request(msgspec.Struct):
    """One request envelope (registrar 3.1); unknown keys are ignored."""

    uri: str
    method: str
    publisher: str = ""
    data_type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    request_id: str = ""


class Reply(msgspec.Struct):
    """One reply envelope; `data` is left out when there is none."""

    status_code: int
    data_type: str = ""
    data: Any = msgspec.UNSET


def reply(data: object) -> Reply:
    return Reply(200, "application/json", data)


def refusal(failure: Failure, domain: str) -> Reply:
    """The typed error of a service, `domain`, or of another that it passes on."""
    whose = failure.domain or domain
    data = {"status": failure.status, "reason": failure.reason, "domain": whose, "message": failure.sentence}
    details = failure.detail_objects()
    return Reply(failure.code, "voipbin_error", {**data, "details": details} if details else data)


class Call(msgspec.Struct, Generic[U], frozen=True):
    """One request on its way through a route."""

    uow: U
    path: dict[str, Any]
    query: dict[str, str]
    data: dict[str, object]
    publisher: str

    def read(self, shape: type[S]) -> S:
        return read(shape, self.data)


Answer = Callable[[Call[Any]], Awaitable[Reply]]
Observe = Callable[[str, str, float], None]
"""(route pattern, method, milliseconds)"""


class Service(Generic[U]):
    """Answers the envelopes of one service; `domain` is its name in typed errors."""

    def __init__(self, domain: str, routes: Routes[Answer], work: Work[U], observe: Observe) -> None:
        self.domain = domain
        self._routes = routes
        self._work = work
        self._observe = observe
        self._log = log.bind()  # to find out what is to be logged takes longer than not to log it

    async def serve(self, envelope: bytes) -> bytes:
        """Bytes of a request envelope to bytes of a reply envelope. Never raises for what the caller sent."""
        try:
            request = msgspec.json.decode(envelope, type=Request)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            failure = InvalidEnvelope()
            log.warning("unreadable envelope", action="rpc", bytes=len(envelope))
            return msgspec.json.encode(refusal(failure, self.domain))
        return msgspec.json.encode(await self.answer(request))

    async def answer(self, request: Request) -> Reply:
        started = time.perf_counter()
        request_id = request.request_id[:64] or new_request_id()
        bound = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            path, _, query = request.uri.partition("?")
            found = self._routes.find(request.method, path)
            known = found if isinstance(found, Found) and not found.faults else None
            answer = await self._guarded(request, query, found, request_id)
            pattern = known.route.pattern if known else "notfound"
            milliseconds = (time.perf_counter() - started) * 1000
            self._observe(pattern, request.method if known else "", milliseconds)
            self._log.debug(
                "answered", action=f"{request.method} {pattern}", status=answer.status_code, ms=milliseconds
            )
            return answer
        finally:
            structlog.contextvars.reset_contextvars(**bound)

    async def _guarded(
        self, request: Request, query: str, found: Found[Answer] | WrongMethod | None, request_id: str
    ) -> Reply:
        try:
            if isinstance(found, WrongMethod):
                return Reply(405)
            if found is None or found.faults:
                raise RouteNotFound
            return await self._run(request, query, found, request_id)
        except Failure as failure:
            return refusal(failure, self._speaker(found))
        except Exception as error:
            log.error(
                "failed",
                action=f"{request.method} {found.route.pattern if isinstance(found, Found) else ''}",
                exc_info=error,
            )
            return refusal(Internal(), self._speaker(found))

    def _speaker(self, found: Found[Answer] | WrongMethod | None) -> str:
        """Whose words a refusal is: a route may say which service it belongs to."""
        return str(found.route.about.get("service", self.domain)) if isinstance(found, Found) else self.domain

    async def _run(self, request: Request, query: str, found: Found[Answer], request_id: str) -> Reply:
        data = object_of(b"" if bytes(request.data) == b"null" else request.data)
        asked = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        reads = request.method == "GET" or found.route.about.get("reads", False)
        work = self._work.acting(Actor(f"rpc:{request.publisher}", "rpc", request_id))
        do = work.read if reads else work.write
        return await do(lambda uow: found.route.answer(Call(uow, found.path, asked, data, request.publisher)))


class InvalidEnvelope(Failure):
    """The message is not a request envelope."""

    status, code, reason = "INVALID_ARGUMENT", 400, "INVALID_JSON_BODY"
