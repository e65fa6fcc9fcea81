"""HTTP in, HTTP out: finds the route, asks who is there, reads the request, and shows every failure alike."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ringback.api.call import Answer, Call, Nothing, Route, etag
from ringback.api.caller import customer_of
from ringback.kit.errors import Failure, Fault, Internal, InvalidArgument, RouteNotFound, ValidationFailed
from ringback.kit.log import request_id_of
from ringback.kit.reading import object_of, read
from ringback.kit.routing import Routes, WrongMethod
from ringback.kit.uow import Work
from ringback.registrar.work import Uow

LARGEST_BODY: Final = 1 << 20
JSON: Final = "application/json"

log = structlog.get_logger()


class InvalidId(InvalidArgument):
    """The id in the path is not a UUID."""

    reason = "INVALID_ID"


class MethodNotAllowed(InvalidArgument):
    """The method is not allowed here."""

    code, reason = 405, "METHOD_NOT_ALLOWED"


class BodyTooLarge(InvalidArgument):
    """The body is larger than 1 MiB."""

    code, reason = 413, "BODY_TOO_LARGE"


class NotJson(InvalidArgument):
    """The body must be sent as application/json."""

    code, reason = 415, "UNSUPPORTED_MEDIA_TYPE"


class Gateway:
    """An ASGI application over a table of routes; `site` answers what needs no key (pages, health)."""

    def __init__(self, routes: Routes[Route], work: Work[Uow], site: Mapping[str, Any]) -> None:
        self._routes = routes
        self._work = work
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        request_id = request_id_of(request.headers.get("x-request-id"))
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = await self._guarded(request, request_id)
            response.headers["x-request-id"] = request_id
            response.headers["cache-control"] = "no-store"
            if request.method == "HEAD":
                response.body = b""
            await response(scope, receive, send)

    async def _guarded(self, request: Request, request_id: str) -> Response:
        try:
            return await self._answer(request)
        except Failure as failure:
            return refusal(failure, request_id)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            log.error("failed", action=f"{request.method} {request.url.path}", exc_info=error)
            return refusal(Internal(), request_id)

    async def _answer(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        if page := self._site.get(request.url.path):
            if method != "GET":
                raise NotAllowed("GET", "HEAD")
            shown: Response = await page(request)
            return shown
        found = self._routes.find(method, request.url.path)
        if isinstance(found, WrongMethod):
            raise NotAllowed(*found.allowed)
        if found is None:
            raise RouteNotFound
        raw = await _bounded_body(request)
        query = dict(request.query_params)
        named, authorization = query.pop("customer_id", None), request.headers.get("authorization")
        customer_id = await self._work.read(lambda uow: customer_of(uow, authorization, named))
        if found.faults:
            raise InvalidId(*found.faults)
        asked, filters = _read(found.route.about, raw, request.headers.get("content-type", ""), query)
        if_match = request.headers.get("if-match")
        do = self._work.read if method == "GET" else self._work.write
        return _response(
            await do(lambda uow: found.route.answer(Call(uow, customer_id, found.path, filters, asked, if_match)))
        )


class NotAllowed(MethodNotAllowed):
    """The method is not allowed here."""

    def __init__(self, *allowed: str) -> None:
        super().__init__()
        self.allowed = allowed


def _read(about: Mapping[str, Any], raw: bytes, content_type: str, query: Mapping[str, str]) -> tuple[Any, Any]:
    """Body and query in the shapes that the route declares, with the faults of both."""
    if raw and content_type.partition(";")[0].strip().lower() != JSON:
        raise NotJson
    read_ones: list[Any] = []
    faults: list[Fault] = []
    given: tuple[tuple[Any, Mapping[str, object]], ...] = (
        (about.get("body", Nothing), object_of(raw)),
        (about.get("query", Nothing), query),
    )
    for shape, values in given:
        try:
            read_ones.append(read(shape, values, refuse_unknown=True))
        except ValidationFailed as failure:
            faults += failure.faults
    if faults:
        raise ValidationFailed(*(_hinted(fault) for fault in faults))
    return read_ones[0], read_ones[1]


def _hinted(fault: Fault) -> Fault:
    hints = {"page": "use page_token", "limit": "use page_size"}
    hint = hints.get(fault.field)
    return Fault(fault.field, f"{fault.description}: {hint}") if hint else fault


async def _bounded_body(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise BodyTooLarge
        parts.append(part)
    return b"".join(parts)


def _response(answer: Answer) -> Response:
    headers = {"etag": etag(answer.data)} if answer.tagged else {}
    if answer.location:
        headers["location"] = answer.location
    return Response(msgspec.json.encode(answer.data), answer.status, headers, JSON)


def refusal(failure: Failure, request_id: str) -> Response:
    """The error envelope of REST (registrar 18.1)."""
    error: dict[str, Any] = {
        "status": failure.status,
        "reason": failure.reason,
        "message": failure.sentence,
        "request_id": request_id,
    }
    if details := failure.detail_objects():
        error["details"] = details
    headers = {"allow": ", ".join(failure.allowed)} if isinstance(failure, NotAllowed) else {}
    if failure.code == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(msgspec.json.encode({"error": error}), failure.code, headers, JSON)
