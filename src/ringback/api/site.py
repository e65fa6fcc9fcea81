"""What is served without a key: the front page, the documentation, health and metrics."""

import mimetypes
import re
from collections.abc import Awaitable, Callable
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ringback import __version__
from ringback.api.call import Route
from ringback.api.gateway import Page
from ringback.api.html import OWN_ONLY, page
from ringback.api.openapi import description
from ringback.kit.errors import BrokerUnavailable, Failure
from ringback.kit.outbox import pending
from ringback.kit.routing import Routes
from ringback.kit.uow import Work
from ringback.registrar.work import Memory, Uow
from ringback.router.extensions.loading import Loader
from ringback.router.metrics import Nats
from ringback.settings import Settings
from ringback.spellings import SERVICES

ASSETS: Final = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
HOST: Final = re.compile(r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
LINKS: Final = {"docs": "/docs", "openapi": "/openapi.json", "health": "/health", "ready": "/ready"}


class Site:
    """Pages by path, for the REST port and for the metrics port."""

    def __init__(
        self,
        work: Work[Uow],
        settings: Settings,
        routes: Routes[Route],
        memory: Memory,
        is_reached: Callable[[], bool] | None,
        nats: Nats | None,
        loader: Loader,
    ) -> None:
        """`is_reached` says whether requests come through the broker, where there is one, `nats` whether events do.

        `loader` has the router's registry, which is shown where it is served.
        """
        self._is_reached = is_reached
        self._nats = nats
        self._loader = loader
        self._work = work
        self._settings = settings
        self.routes = routes
        self._memory = memory

    def public_pages(self) -> dict[str, Page]:
        pages: dict[str, Page] = {
            "/": self.front,
            "/docs": docs,
            "/swagger/index.html": to_docs,
            "/openapi.json": self.openapi,
        }
        return {**pages, **{f"/docs/{name}": asset for name in ASSETS}, **self.health_pages()}

    def metrics_pages(self) -> dict[str, Page]:
        return {self._settings.prometheus_endpoint: self.metrics, **self.health_pages()}

    def health_pages(self) -> dict[str, Page]:
        return {"/live": alive, "/health": alive, "/ready": self.ready}

    async def front(self, request: Request) -> Response:
        """What runs, how many phones are online, where to read on: JSON, or a page for a browser."""
        about = await self._about()
        if "text/html" in request.headers.get("accept", ""):
            return html("front.html", **about, url=url_of(request))
        return json(about)

    async def openapi(self, request: Request) -> Response:
        return json(self._description)

    @cached_property
    def _description(self) -> dict[str, Any]:
        return description(self.routes)

    async def ready(self, request: Request) -> Response:
        """503 unless both databases answer and requests come through the broker; Redis is shown, and may be away.

        A router alone is ready when it has a registry, be it from its file.
        """
        checks = {name: await self._check(statement) for name, statement in self._probes().items()}
        if self._is_reached:
            checks["broker"] = "ok" if self._is_reached() else BrokerUnavailable().sentence
        fine = all(state == "ok" for state in checks.values())
        if self._nats:  # while it is away events wait, and all else goes on
            checks["nats"] = "ok" if self._nats.is_connected else BrokerUnavailable().sentence
        if self._memory.shared:
            checks["redis"] = await self._memory.shared()
        router = self._router()
        if not self._settings.has_registrar:
            fine = router["router"]["status"] != "not ready"
        return json({"ready": fine, "checks": checks, **router}, 200 if fine else 503)

    def _router(self) -> dict[str, dict[str, Any]]:
        """What the registry serves, from where, and how old that is."""
        if not self._settings.runs("router-manager"):
            return {}
        stats = self._loader.stats()
        status = "not ready" if stats.source == "none" else "degraded" if stats.degraded else "ok"
        age = stats.snapshot_age_s
        return {"router": {"status": status, "source": stats.source, "revision": stats.revision, "age_s": age}}

    async def metrics(self, request: Request) -> Response:
        await self._gauge()
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._memory.metrics.registry), media_type=kind)

    async def _about(self) -> dict[str, Any]:
        online: int | None
        try:
            online = await self._work.read(self._online) if self._settings.has_registrar else None
        except Failure:
            online = None
        return {
            "name": "Ringback",
            "version": __version__,
            "services": [name for name in SERVICES if self._settings.runs(name)],
            "phones_online": online,
            "domains": {
                "extension": self._settings.domain_name_extension,
                "sip": self._settings.sip_domain,
            },
            "links": LINKS,
        }

    async def _online(self, uow: Uow) -> int:
        return await uow.sip.online(f".{self._settings.domain_name_extension}", uow.now)

    def _probes(self) -> dict[str, Callable[[Uow], Awaitable[Any]]]:
        found: dict[str, Callable[[Uow], Awaitable[Any]]] = {"database_bin": lambda uow: pending(uow.session)}
        if self._settings.has_registrar:
            found["database_asterisk"] = lambda uow: uow.sip.probe()
        return found

    async def _check(self, probe: Callable[[Uow], Awaitable[Any]]) -> str:
        try:
            await self._work.read(probe)
        except Failure as failure:
            return failure.sentence
        return "ok"

    async def _gauge(self) -> None:
        """The values that are read when somebody asks for them; an unreachable database leaves the last ones."""
        try:
            waiting, oldest, now = await self._work.read(_outbox)
            self._memory.metrics.outbox_pending.set(waiting)
            self._memory.metrics.outbox_age.set((now - oldest).total_seconds() if oldest else 0)
            if self._settings.has_registrar:
                self._memory.metrics.contacts_live.set(await self._work.read(self._online))
        except Failure:
            return


async def _outbox(uow: Uow) -> tuple[int, Any, Any]:
    return (*await pending(uow.session), uow.now)


async def alive(request: Request) -> Response:
    return json({"status": "ok"})


async def docs(request: Request) -> Response:
    return html("docs.html")


async def to_docs(request: Request) -> Response:
    return RedirectResponse("/docs")


async def asset(request: Request) -> Response:
    """One file of Swagger UI, shipped with the package `swagger-ui-py`."""
    name = Path(request.url.path).name
    content = files("swagger_ui").joinpath("static", name).read_bytes()
    return Response(content, 200, {"cache-control": "max-age=3600"}, mimetypes.guess_type(name)[0])


def url_of(request: Request) -> str:
    """Where the caller found us, if that may be shown."""
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host}" if HOST.fullmatch(host) else "http://127.0.0.1:8080"


def json(data: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(data), status, media_type="application/json")


def html(name: str, /, **values: object) -> Response:
    return Response(page(name, **values), 200, {"content-security-policy": OWN_ONLY}, "text/html")
