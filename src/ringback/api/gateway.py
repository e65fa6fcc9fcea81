"""HTTP in, HTTP out: finds the route, asks who is there, reads the request, and shows every failure alike."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ringback.api import repeat
from ringback.api import request as asked
from ringback.api.admission import Admission
from ringback.api.attending import while_there
from ringback.api.call import Answer, Call, Caller, Flow, Listening, PreconditionRequired, Route, Verb, is_object
from ringback.api.caller import customer_of
from ringback.api.events import STREAM
from ringback.api.limits import HEADERS, RateLimited
from ringback.api.live import Live
from ringback.api.request import READING
from ringback.api.responses import MethodNotAllowed, refusal, response_of
from ringback.api.source import source_of
from ringback.customers.rights import Right
from ringback.kit.audit import Actor
from ringback.kit.columns import NIL
from ringback.kit.errors import Failure, Internal, InvalidArgument, RouteNotFound, ValidationFailed
from ringback.kit.log import request_id_of
from ringback.kit.reading import Faults
from ringback.kit.routing import Found, Routes, WrongMethod
from ringback.kit.routing import Route as Entry
from ringback.kit.uow import Work
from ringback.registrar.events import PUBLISHER as REGISTRAR

Page = Callable[[Request], Awaitable[Response]]
Known = Found[Route] | WrongMethod | None
"""What is known of a path and a method."""
CHANGING: Final = ("PUT", "PATCH", "DELETE")
SERVICE: Final = "ringback.service"
"""Where the scope of a request keeps whose route it is."""

log = structlog.get_logger()


class InvalidId(InvalidArgument):
    """The id in the path is not a UUID."""

    reason = "INVALID_ID"


class Gateway:
    """An ASGI application over a table of routes; `site` answers what needs no key (pages, health)."""

    def __init__(
        self,
        routes: Routes[Route],
        works: Mapping[str, Work[Any]],
        site: Mapping[str, Page],
        admission: Admission,
        *,
        proxies: Sequence[str] = (),
        needs_match: bool = False,
        heads: Mapping[str, Callable[[], Mapping[str, str]]] = MappingProxyType({}),
        site_methods: tuple[str, ...] = READING,
    ) -> None:
        """`works` runs what is asked of each service; `admission` knows who asks.

        `proxies` are believed when they say where a request comes from. `needs_match`: what is changed or ended must be
        named with its state. `heads` are headers that every answer of a service has, unless it says otherwise itself.
        `site` is asked by `site_methods`.
        """
        self._routes = routes
        self._works = works
        self._site = site
        self._admission = admission
        self._limits = admission.limits
        self._proxies = proxies
        self._needs_match = needs_match
        self._site_methods = site_methods
        self._heads = heads
        self._log = log.bind()  # once, not for each line
        self.live = Live(works[REGISTRAR]) if REGISTRAR in works else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        request = asked.Heard(scope, receive)
        request_id = request_id_of(request.said.get("x-request-id"))
        path, method = asked.path_of(scope), scope["method"]
        page = self._site.get(path)
        found = None if page else self._routes.find("GET" if method in READING else method, path)
        pattern = path if page else found.route.pattern if isinstance(found, Found) else "notfound"
        bound = structlog.contextvars.bind_contextvars(request_id=request_id, action=f"{method} {pattern}")
        try:
            response = await self._guarded(request, page, found, request_id)
            if method == "HEAD":
                response.body = b""
            names = self._complete(response, scope, request_id)
            say = self._log.debug if page or b"retry-after" in names else self._log.info
            say("answered", status=response.status_code, ms=round((time.perf_counter() - started) * 1000, 1))
            await response(scope, receive, send)
        finally:
            structlog.contextvars.reset_contextvars(**bound)

    def _complete(self, response: Response, scope: Scope, request_id: str) -> set[bytes]:
        """Give it the headers of every answer, as far as it has no others; the names of those that it had."""
        raw = response.raw_headers
        names = {name for name, _ in raw}
        raw += [(b"x-request-id", request_id.encode()), (b"x-content-type-options", b"nosniff")]
        raw += [(name.encode(), text.encode()) for name, text in scope.get(HEADERS, {}).items()]
        if told := self._heads.get(scope.get(SERVICE, "")):
            heads = told().items()
            raw += [(name.encode(), text.encode()) for name, text in heads if name.encode() not in names]
        if b"cache-control" not in names:
            raw.append((b"cache-control", b"no-store"))
        return names

    async def _guarded(self, request: asked.Heard, page: Page | None, found: Known, request_id: str) -> Response:
        try:
            return await (self._page(request, page) if page else self._answer(request, found, request_id))
        except RateLimited as failure:
            await self._limits.hold()
            return refusal(failure, request_id)
        except Failure as failure:
            return refusal(failure, request_id)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            log.error("failed", exc_info=error)
            return refusal(Internal(), request_id)

    async def _page(self, request: Request, page: Page) -> Response:
        if request.method not in self._site_methods:
            raise MethodNotAllowed(self._site_methods)
        return await page(request)

    async def _answer(self, request: asked.Heard, found: Known, request_id: str) -> Response:
        if found is None:
            raise RouteNotFound
        if isinstance(found, WrongMethod):
            raise MethodNotAllowed(found.allowed)
        about = found.route.about
        service = request.scope[SERVICE] = about.get("service", REGISTRAR)
        caller = await self._who(request, about["right"], service)
        if self._needs_match and "if-match" not in request.said and _has_state(found.route):
            raise PreconditionRequired
        by = Actor(caller.name, "rest", request_id, caller.address or None, caller.identity or None)
        work = self._works[service].acting(by)
        run = await _read(request, found, caller, request_id, work)
        do = work.write if _writes(request, about) else work.read
        attended = about.get("attended", False)
        async with self._limits.place(caller, guesses=about.get("guesses", False), waits=attended):
            streams = about.get("streams")
            doing = run(None) if streams else do(run, patience=about.get("patience"))
            answer = await (while_there(request, doing) if attended else doing)
            if answer.refused:
                raise answer.refused
        if answer.listening and self.live:
            return await self._listen(request, self.live, answer.listening, caller, about["right"])
        return response_of(request, answer)

    def end_streams(self) -> None:
        """Let go of all who listen; whoever comes later is told what there is, and no more."""
        if self.live:
            self.live.close()

    async def _listen(
        self, request: asked.Heard, live: Live, wanted: Listening, caller: Caller, right: Right
    ) -> Response:
        """A stream of what happens, for as long as whoever asked may know it."""
        after = asked.last_event_of(request)
        if request.method == "HEAD":
            return Response(media_type=STREAM)

        async def still() -> None:
            known = await self._admission.holder(request.credentials, caller.address, REGISTRAR)
            known.require(right)

        return StreamingResponse(await live.open(wanted, after, still), media_type=STREAM)

    async def _who(self, request: asked.Heard, right: Right | None, service: str) -> Caller:
        """Who asks, and may; anybody where no right is needed."""
        address = source_of(request, self._proxies)
        if right is None:
            return Caller(None, "nobody", address=address)
        headers = request.scope.setdefault(HEADERS, {})
        return await self._admission.admit(request.credentials, address, right, service, headers)


def _writes(request: Request, about: Mapping[str, Any]) -> bool:
    """Whether it may change anything: by its method, unless the route says otherwise; a HEAD never does."""
    if about.get("writes"):
        return request.method != "HEAD"
    return request.method not in READING and not about.get("reads")


def _has_state(route: Entry[Route]) -> bool:
    """Whether it changes or ends an object that its path names."""
    return route.method in CHANGING and "<" in route.pattern and is_object(route.about["answers"])


async def _read(request: asked.Heard, found: Found[Route], caller: Caller, request_id: str, work: Work[Any]) -> Verb:
    """The verb that was asked for, ready to run; or every fault of path, query and body at once.

    One that streams does its own `work`, and reads the body as it comes.
    """
    about = found.route.about
    flow = _flow(request, about, work) if about.get("streams") else None
    largest, too_large = about.get("largest", asked.LARGEST_BODY), about.get("too_large", asked.BodyTooLarge)
    raw = b"" if flow else await asked.body_of(request, largest, too_large)
    query, wrong = asked.query_of(request.scope)
    faults = Faults(wrong)
    customer_id: UUID | None
    if (whose := about.get("whose", "one")) == "all":
        customer_id = caller.customer_id or NIL
    else:
        named = query.pop("customer_id", None)
        customer_id = faults.of(lambda: customer_of(caller, named, whose))
    filters = faults.of(lambda: asked.read_query(about.get("query"), query))
    body = faults.of(lambda: asked.read_body(about.get("body"), raw))
    key = faults.of(lambda: repeat.key_of(request, found.route))
    if found.faults:
        raise InvalidId(*found.faults, *faults.found)
    if customer_id is None or faults.found:
        raise ValidationFailed(*faults.found)

    async def run(uow: Any) -> Answer:
        said = request.said
        headers = (said.get("user-agent", ""), said.get("traceparent", ""), said.get("accept", ""))
        rest = (said.get("if-match"), caller, request_id, *headers, request.method == "HEAD", flow)
        return await found.route.answer(Call(uow, customer_id, found.path, filters, body, *rest))

    verb = repeat.once(run, key, request, raw, caller)
    return about["around"](verb, filters) if "around" in about else verb


def _flow(request: Request, about: Mapping[str, Any], work: Work[Any]) -> Flow[Any]:
    media, encoding = asked.media_of(request) if "uploads" in about else ("", "")
    return Flow(work, asked.upload_of(request), media, encoding)
