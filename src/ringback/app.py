"""The composition root: settings in, running services out."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from ringback.api import screen as screens
from ringback.api.admission import Admission
from ringback.api.gateway import Gateway
from ringback.api.limits import Limits
from ringback.api.site import Site
from ringback.calls import service as calls
from ringback.calls.records.model import PUBLISHER as CALLS
from ringback.calls.routing import Called, Caller, Out, Refusal, Ring
from ringback.customers.audit.keeping import Keeping
from ringback.customers.keys.uses import Uses
from ringback.customers.model import PUBLISHER as CUSTOMERS
from ringback.databases import Opened
from ringback.kit.bus import Bus, Services
from ringback.kit.db import Database
from ringback.kit.events import Publisher
from ringback.kit.gate import Gate
from ringback.kit.inbox import Inbox
from ringback.kit.peer import Peer
from ringback.kit.relay import Relay, Way, nothing
from ringback.kit.routing import Routes
from ringback.kit.rpc import Answer, Send, Service
from ringback.kit.stale import Eraser
from ringback.kit.uow import Work, utc_now
from ringback.memory import memory_of, rate_of
from ringback.registrar.asterisks import Asterisks
from ringback.registrar.billing import BILLING, TIMEOUT, Billing
from ringback.registrar.contacts.feed import Feed
from ringback.registrar.contacts.history import HistoryKeeping
from ringback.registrar.contacts.live import Live
from ringback.registrar.directs.model import new_hash
from ringback.registrar.events import PUBLISHER
from ringback.registrar.heard import HEARD
from ringback.registrar.metrics import Metrics
from ringback.registrar.realms.model import new_label
from ringback.registrar.reconcile import Reconciler
from ringback.registrar.refusals.keeping import RefusalsKeeping
from ringback.registrar.work import Memory, Uow, registrar_work
from ringback.router.admin.door import Door
from ringback.router.answering import REVISION
from ringback.router.extensions.loading import Loader
from ringback.router.extensions.registry import Registry
from ringback.router.invoking.circuits import Circuits
from ringback.router.invoking.invoker import Invoker
from ringback.router.invoking.metrics import watch_calls
from ringback.router.invoking.tally import Customers
from ringback.router.metrics import Nats, watch_nats, watch_registry
from ringback.router.pipelines.metrics import watch_pipelines
from ringback.router.pipelines.running import Pipelines
from ringback.router.pipelines.screening import screen
from ringback.router.work import Uow as RouterUow
from ringback.router.work import router_work
from ringback.router.writing import PUBLISHER as ROUTER
from ringback.router_node import Upkeep, node_id
from ringback.routes import CUSTOMER_RPC, RPC, tables_of
from ringback.settings import Settings
from ringback.sip.ami import addresses_in
from ringback.spellings import networks_in
from ringback.transports.amqp import each_time
from ringback.transports.memory import Inward, MemoryBus, MemoryServices


@dataclass(frozen=True, slots=True)
class Router:
    """The registry of router extensions of this process, what keeps it, and the way to those that it names."""

    registry: Registry
    work: Work[RouterUow]
    loader: Loader
    node: Upkeep
    bus: Bus
    services: Services
    news: Publisher


@dataclass(frozen=True, slots=True)
class Ringback:
    """Everything that one process needs, put together and not yet running."""

    settings: Settings
    database: Database
    memory: Memory
    billing: Billing | None
    work: Work[Uow]
    gateway: Gateway
    metrics: Gateway
    screens: Gateway
    admin: Door
    relay: Relay
    eraser: Eraser | None
    reconciler: Reconciler
    uses: Uses
    asterisks: Asterisks
    inbox: Inbox[Uow]
    router: Router

    @property
    def feed(self) -> Feed:
        """Looks at contacts, whoever says that it should."""
        return self.asterisks.live.feed

    @property
    def rpc(self) -> Service[Uow]:
        """Answers what the registrar is asked."""
        return self._service(PUBLISHER, RPC)

    @property
    def customers(self) -> Service[Uow]:
        """Answers what customer-manager is asked."""
        return self._service(CUSTOMERS, CUSTOMER_RPC)

    @property
    def pipelines(self) -> Pipelines:
        """Runs requests through the pipelines of customers."""
        return self.router.registry.pipelines

    @property
    def keeping(self) -> Keeping:
        """Keeps the audit log to what it may tell."""
        return Keeping(self.work, self.settings.audit_keep_days)

    @property
    def history(self) -> HistoryKeeping:
        """Keeps the history of contacts as long as it may be."""
        return HistoryKeeping(self.work, self.settings.contact_history_keep_days)

    @property
    def local(self) -> Service[Uow]:
        """Answers what is asked of either, where this process runs it."""
        return self._service(PUBLISHER, RPC, *([CUSTOMER_RPC] if self.settings.runs(CUSTOMERS) else []))

    async def route(self, caller: Caller, called: Called) -> Ring | Out | Refusal:
        """Who rings."""
        return await self.work.read(lambda uow: calls.route(uow, caller, called))

    def _service(self, domain: str, *tables: Routes[Answer]) -> Service[Uow]:
        return Service(domain, Routes(*tables), self.work, self.memory.metrics.observe_request)

    async def aclose(self) -> None:
        """End what it began with others; the databases are their opener's."""
        await self.memory.close()


def assemble(
    settings: Settings,
    opened: Opened,
    *,
    buses: Mapping[str, Publisher] = MappingProxyType({}),
    exchange: str = "memory",
    nats: Nats | None = None,
    is_reached: Callable[[], bool] | None = None,
    ask: Send | None = None,
    clock: Callable[[], datetime] = utc_now,
    ticks: Callable[[], float] = time.monotonic,  # seconds
    hashes: Callable[[int], str] = new_hash,
    labels: Callable[[], str] = new_label,
) -> Ringback:
    """Put it together over open databases: `buses` take events to an `exchange`, `nats` the router's, `ask` asks."""
    memory = memory_of(settings, opened.database, ticks, hashes, labels)
    news, billing = asyncio.Event(), _billing(settings, memory.metrics, ask, ticks)
    work = registrar_work(opened.database, settings, memory, billing=billing, clock=clock, published=news.set)
    router, uses = _router(settings, memory.metrics, opened.database, clock, ticks, news.set, nats), Uses(work)
    inbox = Inbox(HEARD, work, memory.metrics.observe_heard)
    admission = _admission(settings, memory, work, router, uses)
    site = Site(work, settings, Routes(*tables_of(settings)), memory, is_reached, nats, router.loader)
    return Ringback(
        settings=settings,
        database=opened.database,
        memory=memory,
        billing=billing,
        work=work,
        gateway=_gateway(settings, site, work, router, admission),
        metrics=Gateway(Routes(), {}, site.metrics_pages(), admission),
        screens=_screens(router, admission),
        admin=Door(router.work, admission, settings.nats_anonymous_role),
        relay=Relay(work, list(_ways(settings, inbox, memory.metrics, buses, exchange, router.news, nats)), news),
        eraser=Eraser(work, memory.keys) if memory.keys else None,
        reconciler=Reconciler(work, memory.metrics, settings, opened.behind),
        uses=uses,
        asterisks=_asterisks(settings, memory, work, ticks),
        inbox=inbox,
        router=router,
    )


def _asterisks(settings: Settings, memory: Memory, work: Work[Uow], ticks: Callable[[], float]) -> Asterisks:
    addresses, suffix = addresses_in(settings.asterisk_ami.get_secret_value()), f".{settings.domain_name_extension}"
    live = Live(work, Feed(work, suffix), suffix, ticks=ticks)
    heard = memory.sip_refusals
    keeping = RefusalsKeeping(work, heard)
    return Asterisks(addresses, live, heard, memory.caches, memory.metrics, work.now, keeping)


def _admission(settings: Settings, memory: Memory, work: Work[Uow], router: Router, uses: Uses) -> Admission:
    limits = Limits(rate_of(settings), memory.requests, memory.refusals)
    return Admission(work, router.node.kept_key, used=uses.note, limits=limits)


def _gateway(settings: Settings, site: Site, work: Work[Uow], router: Router, admission: Admission) -> Gateway:
    works: dict[str, Work[Any]] = {PUBLISHER: work, CUSTOMERS: work, ROUTER: router.work}
    return Gateway(
        site.routes,
        works,
        site.public_pages(),
        admission,
        proxies=networks_in(settings.trusted_proxies),
        needs_match=settings.rest_if_match == "required",
        heads={ROUTER: lambda: {REVISION: str(router.registry.snapshot.revision)}},
    )


def _screens(router: Router, admission: Admission) -> Gateway:
    pages = screens.pages(partial(screen, router.registry, router.work))
    return Gateway(Routes(), {}, pages, admission, site_methods=screens.METHODS)


def _ways(
    settings: Settings,
    inbox: Inbox[Uow],
    metrics: Metrics,
    buses: Mapping[str, Publisher],
    exchange: str,
    news: Publisher,
    nats: Nats | None,
) -> Iterator[Way]:
    """How the events leave of those services that this process runs."""
    inward = Inward(inbox.take)
    by_itself: dict[str, Publisher] = {PUBLISHER: MemoryBus(), CALLS: MemoryBus(), CUSTOMERS: inward}
    for service, bus in (by_itself | dict(buses)).items():
        if settings.runs(service):
            yield Way(
                service, bus, partial(metrics.observe_event, exchange), inward.close if bus is inward else nothing
            )
    if settings.runs(ROUTER):
        yield Way(ROUTER, news, partial(metrics.observe_event, "nats" if nats else "memory"))


def _router(
    settings: Settings,
    metrics: Metrics,
    database: Database,
    clock: Callable[[], datetime],
    ticks: Callable[[], float],
    published: Callable[[], None],
    nats: Nats | None,
) -> Router:
    registry = Registry(
        node_id(settings), Circuits(clock=ticks, customers=Customers() if settings.metrics_customer_label else None)
    )
    news = nats.publishing() if nats else MemoryBus()
    memory = MemoryServices()
    bus, services = (nats.bus(), nats.services()) if nats else (memory, memory)
    calls = Invoker(bus, registry.circuits)
    registry.pipelines = Pipelines(registry, calls, now=lambda: clock().timestamp(), environment=settings.environment)
    work = router_work(database, registry, clock=clock, published=published)
    loader = Loader(work, registry)
    node = Upkeep(settings, database, work, loader, news)
    if settings.runs(ROUTER):
        watch_registry(metrics.registry, loader, node)
        watch_calls(metrics.registry, registry.circuits, by_customer=settings.metrics_customer_label)
        watch_pipelines(metrics.registry, registry.pipelines)
    if settings.runs(ROUTER) and nats:
        watch_nats(metrics.registry, nats)
    return Router(registry, work, loader, node, bus, services, news)


def _billing(settings: Settings, metrics: Metrics, ask: Send | None, ticks: Callable[[], float]) -> Billing | None:
    """Who knows the limits of customers, where it is not our own database; half of all requests may wait for it."""
    if settings.limits == "local":
        return None
    assert settings.rabbitmq_url is not None
    ask = ask or each_time(settings.rabbitmq_url.reveal(), PUBLISHER)
    peer = Peer(ask, BILLING, PUBLISHER, timeout=TIMEOUT, observer=metrics, clock=ticks)
    return Billing(peer, Gate(settings.rpc_prefetch // 2))
