"""`ringback up`: everything in one process, until it is told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from ringback import first_start
from ringback.api.listen import Http, certificate, listening, url_of
from ringback.app import Ringback, assemble
from ringback.databases import lock_of, make_schema, opened
from ringback.kit.errors import CannotStart
from ringback.kit.lock import only_one
from ringback.registrar.meta import require_recorded
from ringback.settings import DaemonSettings, Settings
from ringback.transports import local

SOCKET: Final = "rpc.sock"
EVENTS: Final = "events.sock"
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
    stop = asyncio.Event()
    for signum in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with running(settings) as started:
        tell(started)
        await stop.wait()
        log.info("stopping", action="stop")
        for signum in SIGNALS:  # a second one ends it at once
            asyncio.get_running_loop().remove_signal_handler(signum)


async def alone(settings: DaemonSettings) -> None:
    """One service without a home, until it is told to stop."""
    raise NotImplementedError


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Started]:
    """The whole product on its ports and on the sockets in its home, while inside."""
    home = make_home(settings.ringback_home)
    with only_one(home / "lock", "Ringback is running on this home"), _alone_on_file(settings):
        async with opened(settings) as found:
            ringback = assemble(settings, found)
            await ringback.work.write(require_recorded)
            async with _serving(ringback, home) as started:
                yield started


@contextlib.contextmanager
def _alone_on_file(settings: Settings) -> Iterator[None]:
    """A file has one server, which brings its schema up to date; servers of databases have as many as there are."""
    if not settings.is_embedded:
        yield
        return
    with only_one(lock_of(settings.database_file), "Ringback is running on this database"):
        make_schema(settings.database_file)
        yield


@contextlib.asynccontextmanager
async def _serving(ringback: Ringback, home: Path) -> AsyncIterator[Started]:
    settings = ringback.settings
    tls = certificate(settings)
    with (
        listening("rest_listen_address", settings.rest_listen_address) as rest,
        listening("prometheus_listen_address", settings.prometheus_listen_address) as metrics,
    ):
        url = url_of(rest, "https" if tls else "http")
        keys, first = await first_start.ensure(ringback.work, home, url)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(_in_background(ringback.relay.run()))
            await stack.enter_async_context(_in_background(ringback.reconciler.run(settings.reconcile_interval)))
            await stack.enter_async_context(_in_background(ringback.feed.run(settings.contact_poll_interval)))
            servers = {metrics: Http.of(ringback.metrics, settings), rest: Http.of(ringback.gateway, settings, tls)}
            for at, http in servers.items():
                await stack.enter_async_context(http.serving(at))
            for name, serve in ((SOCKET, ringback.rpc.serve), (EVENTS, ringback.inbox.serve)):
                await stack.enter_async_context(local.serving(home / name, serve, settings.drain_timeout))
            log.info("started", action="start", rest=url, metrics=url_of(metrics))
            try:
                yield Started(url, url_of(metrics), keys, first)
            finally:
                for http in servers.values():  # all of them drain at the same time
                    http.should_exit = True


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
