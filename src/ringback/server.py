"""Ringback in one process, until it is told to stop: everything with a home, or one service alone on servers."""

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import structlog

from ringback import first_start
from ringback.api.listen import Http, certificate, listening, url_of
from ringback.app import Ringback, assemble
from ringback.brokers import broker_of, nats_of, other_broker_of, ways_of
from ringback.calls import agi
from ringback.calls.records.model import PUBLISHER as CALLS
from ringback.calls.records.taking import Taking
from ringback.customers.model import PUBLISHER as CUSTOMERS
from ringback.databases import Opened, awaited, lock_of, make_schema, opened
from ringback.kit.errors import CannotStart, DatabaseAway, DatabaseUnavailable
from ringback.kit.lock import only_one
from ringback.registrar.events import PUBLISHER
from ringback.registrar.meta import require_recorded
from ringback.router.admin.subjects import SUBJECTS
from ringback.router.workers import serving as workers
from ringback.router.writing import PUBLISHER as ROUTER
from ringback.settings import Settings
from ringback.transports import local
from ringback.transports.amqp import Broker
from ringback.transports.datagrams import hearing

if TYPE_CHECKING:
    from ringback.transports.nats.link import Link

SOCKET: Final = "rpc.sock"
EVENTS: Final = "events.sock"
GATEWAY: Final = "api-manager"
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Started:
    """What somebody who starts it wants to read; `keys` is `None` where the operator has taken the file away."""

    url: str
    metrics_url: str
    keys: first_start.Keys | None
    first: bool


async def up(settings: Settings, tell: Callable[[Started], None]) -> None:
    """Start, tell, and run until SIGTERM, SIGINT or SIGHUP; then finish what is in hand and return."""
    await until_told(running(settings), tell)


async def alone(settings: Settings) -> None:
    """The same without a home, for a service on servers."""
    await until_told(serving(settings), lambda started: None)


async def until_told(process: contextlib.AbstractAsyncContextManager[Any], tell: Callable[[Any], None]) -> None:
    """Start it, tell what has started, and end it in order when a signal says so."""
    stop = asyncio.Event()
    for signum in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    try:
        async with process as started:
            gc.collect()
            gc.freeze()  # what is there now stays: a look through all of it takes a tenth of a second
            tell(started)
            await stop.wait()
            log.info("stopping", action="stop")
            for signum in SIGNALS:  # a second one ends it at once
                asyncio.get_running_loop().remove_signal_handler(signum)
    except DatabaseUnavailable as away:  # it went away while it was looked at
        raise DatabaseAway(f"database_dsn_bin: {away.sentence}") from None


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Started]:
    """The whole product on its ports and on the sockets in its home, while inside."""
    home = make_home(settings.ringback_home)
    with only_one(home / "lock", "Ringback is running on this home"):
        async with serving(settings, home) as started:
            yield started


@contextlib.asynccontextmanager
async def serving(settings: Settings, home: Path | None = None) -> AsyncIterator[Started]:
    """What the settings say that this process runs, while inside. In `home` are its sockets and its first keys."""
    tls = certificate(settings)
    broker, nats = broker_of(settings), nats_of(settings)
    customers, calls = other_broker_of(settings, CUSTOMERS), other_broker_of(settings, CALLS)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_alone_on_file(settings))
        found = await stack.enter_async_context(_found(settings))
        ringback = await stack.enter_async_context(
            contextlib.aclosing(assemble(settings, found, nats=nats, **ways_of(settings, broker, customers, calls)))
        )
        await ringback.memory.require()
        if settings.has_registrar:
            await ringback.work.write(require_recorded)
        ports = Ports.of(settings, stack)
        url = url_of(ports.rest, "https" if tls else "http") if ports.rest else ""
        keys, first = await _first_keys(ringback, home, url)
        servers = [(ports.metrics, Http.of(ringback.metrics, settings))]
        if ports.rest:
            servers.append((ports.rest, Http.of(ringback.gateway, settings, tls)))
            await stack.enter_async_context(_in_background(ringback.uses.run()))
        if ports.screens:
            servers.append((ports.screens, Http.of(ringback.screens, settings)))
        await _connected(ringback, broker, customers, calls, nats, stack)
        await _at_work(ringback, stack)
        await _at_home(ringback, home, stack)
        if settings.runs(ROUTER):
            await _at_the_router(ringback, stack)
        for at, http in servers:
            await stack.enter_async_context(http.serving(at))
        await _at_sip_servers(ringback, ports, stack)
        log.info("started", action="start", rest=url, metrics=url_of(ports.metrics))
        try:
            yield Started(url, url_of(ports.metrics), keys, first)
        finally:
            ringback.gateway.end_streams()
            for _, http in servers:  # all of them drain at the same time
                http.should_exit = True
            for one in filter(None, (broker, customers)):
                await one.drain(settings.drain_timeout)


def _found(settings: Settings) -> contextlib.AbstractAsyncContextManager[Opened]:
    """A router alone has its file to serve, or at least a port that says what is wrong, while its database is away."""
    return opened(settings, serves=True) if settings.has_registrar or settings.is_embedded else awaited(settings)


async def _first_keys(ringback: Ringback, home: Path | None, url: str) -> tuple[first_start.Keys | None, bool]:
    if home is None:
        return None, False
    try:
        return await first_start.ensure(ringback.work, home, url)
    except DatabaseUnavailable:
        if ringback.settings.has_registrar:
            raise
        return first_start.read(home), False


async def _connected(
    ringback: Ringback,
    broker: Broker | None,
    customers: Broker | None,
    calls: Broker | None,
    nats: "Link | None",
    stack: contextlib.AsyncExitStack,
) -> None:
    """All that this process does at the broker and at NATS, where they are, until the stack ends."""
    settings, billing = ringback.settings, ringback.billing
    if broker and settings.runs(PUBLISHER):
        gate = billing.gate if billing else None
        broker.serve(ringback.rpc.serve, prefetch=settings.rpc_prefetch, gate=gate)
        broker.follow(ringback.inbox.take, prefetch=settings.event_prefetch)
    if customers:
        customers.serve(ringback.customers.serve, prefetch=settings.rpc_prefetch)
    for link in (broker, customers, calls, nats):
        if link:
            stack.push_async_callback(link.close)
            await link.start()


async def _at_the_router(ringback: Ringback, stack: contextlib.AsyncExitStack) -> None:
    """The registry of this process, and what is asked of it over NATS, where that is, until the stack ends."""
    await ringback.router.node.follower.once()
    await stack.enter_async_context(_in_background(ringback.router.node.run()))
    if ringback.settings.nats_address:
        await stack.enter_async_context(ringback.admin.serving(ringback.router.services, SUBJECTS))


async def _at_sip_servers(ringback: Ringback, ports: "Ports", stack: contextlib.AsyncExitStack) -> None:
    """Everything that hears SIP servers, until the stack ends."""
    if ports.agi:
        await stack.enter_async_context(agi.serving(ports.agi, ringback.route))
    if ports.edges:
        await stack.enter_async_context(hearing(ports.edges, ringback.asterisks.hear_edge))


async def _at_work(ringback: Ringback, stack: contextlib.AsyncExitStack) -> None:
    """Everything that goes on by itself, of all services and of the registrar, until the stack ends."""
    settings, works = ringback.settings, []
    if any(map(settings.runs, (PUBLISHER, CALLS, CUSTOMERS, ROUTER))):
        works += [ringback.relay.run(), ringback.keeping.run()]
    if settings.runs(PUBLISHER):
        works += [ringback.eraser.run()] if ringback.eraser else []
        works += [
            ringback.reconciler.run(settings.reconcile_interval),
            ringback.feed.run(settings.contact_poll_interval),
            ringback.history.run(),
        ]
    if settings.has_registrar:  # whoever changes phones tells the Asterisks so
        works += [ringback.asterisks.run(edges=bool(settings.edge_listen_address))]
    if settings.runs(CALLS):
        works.append(Taking(ringback.work, settings.call_keep_days).run())
    for work in works:
        await stack.enter_async_context(_in_background(work))
    if settings.runs(ROUTER) and not settings.nats_address:  # over NATS they are processes of their own
        await stack.enter_async_context(workers.serving(ringback.router.services, settings))


async def _at_home(ringback: Ringback, home: Path | None, stack: contextlib.AsyncExitStack) -> None:
    """Everything that answers on sockets in the home, if there is one, until the stack ends."""
    if home is None or not any(map(ringback.settings.runs, (PUBLISHER, CUSTOMERS))):
        return
    for name, serve in ((SOCKET, ringback.local.serve), (EVENTS, ringback.inbox.serve)):
        await stack.enter_async_context(local.serving(home / name, serve, ringback.settings.drain_timeout))


@dataclass(frozen=True, slots=True)
class Ports:
    """The sockets that listen."""

    metrics: socket.socket
    rest: socket.socket | None
    agi: socket.socket | None
    edges: socket.socket | None
    screens: socket.socket | None

    @classmethod
    def of(cls, settings: Settings, stack: contextlib.AsyncExitStack) -> Self:
        rest = None
        if settings.rest_listen_address and settings.runs(GATEWAY):
            rest = stack.enter_context(listening("rest_listen_address", settings.rest_listen_address))
        at, asked = settings.prometheus_listen_address, settings.agi_listen_address
        metrics = stack.enter_context(listening("prometheus_listen_address", at))
        has_agi = asked and settings.runs(CALLS)
        agi = stack.enter_context(listening("agi_listen_address", asked)) if has_agi else None
        told = settings.edge_listen_address if settings.has_registrar else ""
        edges = stack.enter_context(listening("edge_listen_address", told, socket.SOCK_DGRAM)) if told else None
        asked = settings.screen_listen_address if settings.runs(ROUTER) else ""
        screens = stack.enter_context(listening("screen_listen_address", asked)) if asked else None
        return cls(metrics, rest, agi, edges, screens)


@contextlib.contextmanager
def _alone_on_file(settings: Settings) -> Iterator[None]:
    """A file has one server, which brings its schema up to date; servers of databases have as many as there are."""
    if not settings.is_embedded:
        yield
        return
    with only_one(lock_of(settings.database_file), "Ringback is running on this database"):
        make_schema(settings.database_file)
        yield


def make_home(home: Path) -> Path:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o750)
        probe = home / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CannotStart(f"{home} cannot be used: {error.strerror}") from None
    return home


@contextlib.asynccontextmanager
async def _in_background(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
