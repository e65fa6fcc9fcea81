"""`ringback up`: everything in one process, until it is told to stop."""

import asyncio
import contextlib
import math
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import structlog
import uvicorn
from sqlalchemy import URL
from starlette.types import ASGIApp

from ringback import first_start
from ringback.app import Ringback, assemble
from ringback.kit.errors import CannotStart
from ringback.kit.lock import only_one
from ringback.migrations import commands
from ringback.registrar.meta import require_recorded
from ringback.settings import Settings
from ringback.spellings import host_and_port
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


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Started]:
    """The whole product on its ports and on the socket in its home, while inside."""
    home = make_home(settings.ringback_home)
    file = settings.database_file
    with (
        only_one(home / "lock", "Ringback is running on this home"),
        only_one(lock_of(file), "Ringback is running on this database"),
    ):
        make_schema(settings.database_file)
        ringback = assemble(settings)
        try:
            async with _serving(ringback, home) as started:
                yield started
        finally:
            ringback.database.close()


@contextlib.asynccontextmanager
async def _serving(ringback: Ringback, home: Path) -> AsyncIterator[Started]:
    settings = ringback.settings
    await ringback.work.write(require_recorded)
    with (
        listening("rest_listen_address", settings.rest_listen_address) as rest,
        listening("prometheus_listen_address", settings.prometheus_listen_address) as metrics,
    ):
        keys, first = await first_start.ensure(ringback.work, home, url_of(rest))
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(_in_background(ringback.relay.run()))
            await stack.enter_async_context(_in_background(ringback.reconciler.run(settings.reconcile_interval)))
            await stack.enter_async_context(_in_background(ringback.feed.run(settings.contact_poll_interval)))
            servers = {
                at: Http.of(app, settings) for at, app in ((metrics, ringback.metrics), (rest, ringback.gateway))
            }
            for at, http in servers.items():
                await stack.enter_async_context(http.serving(at))
            for name, serve in ((SOCKET, ringback.rpc.serve), (EVENTS, ringback.inbox.serve)):
                await stack.enter_async_context(local.serving(home / name, serve, settings.drain_timeout))
            log.info("started", action="start", rest=url_of(rest), metrics=url_of(metrics))
            try:
                yield Started(url_of(rest), url_of(metrics), keys, first)
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


def lock_of(file: Path) -> Path:
    """The lock that a server holds on its database."""
    return file.with_name(f"{file.name}.lock")


def require_schema(file: Path) -> None:
    """`CannotStart` with the command to run, unless the database is there and up to date."""
    url = URL.create("sqlite", database=str(file))
    if not file.exists():
        raise CannotStart(f"there is no database at {file} yet: 'ringback up' or 'ringback db upgrade' makes it")
    if not all(commands.is_current(database, url) for database in commands.DATABASES):
        raise CannotStart(f"the schema of {file} is not this version's: run 'ringback db upgrade'")


def make_schema(file: Path) -> None:
    """Bring the SQLite file up to date; the embedded default upgrades itself. A new file is its owner's alone."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise CannotStart(f"the database {file} cannot be used: {error.strerror}") from None
    url = URL.create("sqlite", database=str(file))
    for database in commands.DATABASES:
        if not commands.is_current(database, url):
            commands.upgrade(database, url)


@contextlib.contextmanager
def listening(setting: str, address: str) -> Iterator[socket.socket]:
    """A listening socket at `host:port`; `CannotStart` names the setting and what is in the way."""
    host, port = host_and_port(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
        opened.listen(1024)
    except OSError as error:
        opened.close()
        raise CannotStart(f"{setting}: {address} cannot be used: {(error.strerror or str(error)).lower()}") from None
    with opened:
        yield opened


def url_of(opened: socket.socket) -> str:
    host, port = opened.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class Http(uvicorn.Server):
    """A uvicorn server that leaves the signals to us."""

    @classmethod
    def of(cls, app: ASGIApp, settings: Settings) -> Self:
        drain = math.ceil(settings.drain_timeout)
        return cls(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=drain,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    @contextlib.asynccontextmanager
    async def serving(self, at: socket.socket) -> AsyncIterator[None]:
        task = asyncio.create_task(self.serve([at]))
        try:
            yield
        finally:
            self.should_exit = True
            await task


@contextlib.asynccontextmanager
async def _in_background(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
