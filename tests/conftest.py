"""Fixtures for every test."""

import gc
import logging
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import structlog

from tests.memory import memory

if TYPE_CHECKING:  # what the process need not wait for that hands out tests to others
    from tests.stacks import NewGround
    from tests.world import World

pytest_plugins = ["tests.servers.fixtures"]

ENGINES: Final = ("mariadb", "postgresql")
CASE: Final = pytest.StashKey[int]()
CASES: Final = 1
"""Of each test on servers, unless all are asked for."""
FIRST: Final = (
    "tests/live/test_daemon.py", "tests/chaos/test_chaos.py", "tests/live/test_bench.py",
    "tests/api/test_schemathesis.py", "tests/chaos/test_end_of_a_customer.py",
    "tests/live/test_instances.py", "tests/live/test_contacts_live.py",
    "tests/live/test_pipelines_storm.py", "tests/live/test_amqp_recovery.py", "tests/live/test_takeover_on_servers.py",
    "tests/bench/test_growth.py", "tests/bench/test_reads.py", "tests/bench/test_registrations.py",
    "tests/live/test_demo.py", "tests/cli/test_bulk.py", "tests/live/test_several_asterisks.py",
)  # fmt: skip
"""Files that take longest: were one of them the last, all but one processor would be idle."""

PLAIN: Final[list[structlog.types.Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.format_exc_info,
    structlog.processors.KeyValueRenderer(),
]


def pytest_addoption(parser: pytest.Parser) -> None:
    about = "run the tests of worlds over RabbitMQ, this engine and Redis, those of the router's nodes, and no others"
    parser.addoption("--on", choices=ENGINES, help=about)
    parser.addoption("--every", action="store_true", help="with --on: all cases of each test, not the first alone")
    about = "the Asterisk of that suite of Debian (bullseye: 16), fetched if it is not there, in place of the newest"
    parser.addoption("--asterisk", metavar="SUITE", help=about)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest come first. With `--on`, only tests of worlds and of nodes remain, but for those of SQLite itself or
    of own servers."""
    rank = {name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))
    if not config.getoption("--on"):
        return
    worlds = [item for item in items if {"make_world", "make_node"}.intersection(getattr(item, "fixturenames", ()))]
    chosen = [item for item in worlds if not any(map(item.get_closest_marker, ("sqlite", "process", "sip")))]
    if not config.getoption("--every"):
        seen: Counter[str] = Counter()
        for item in chosen:
            seen[item.nodeid.partition("[")[0]] += 1
            item.stash[CASE] = seen[item.nodeid.partition("[")[0]]
        chosen = [item for item in chosen if item.stash[CASE] <= CASES]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen


def pytest_configure() -> None:
    """Files of tests live in memory where there is room: a database syncs each of its commits.

    A shell has what it starts in the background ignore Ctrl-C, and every process that a test would stop with it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if folder := memory():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests stay to the end: to look for garbage among them takes half the time of their collection."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000)
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Logs are plain whatever a command of an earlier test has set: colourful tracebacks take a second each."""
    structlog.reset_defaults()
    structlog.configure(processors=PLAIN)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with the schema of today, made by the migrations."""
    from ringback.databases import make_schema

    path = tmp_path_factory.mktemp("template") / "ringback.db"
    make_schema(path)
    return path


@pytest.fixture(scope="session")
def new_ground(template: Path, request: pytest.FixtureRequest) -> "Iterator[NewGround]":
    """Where worlds stand: on files, or with `--on` on real servers."""
    from tests.stacks import OnServers, files

    engine = request.config.getoption("--on")
    with ExitStack() as stack:
        yield OnServers(request, engine, stack) if engine else files(template)


@pytest.fixture
async def make_world(new_ground: "NewGround", tmp_path: Path) -> "AsyncIterator[Callable[..., World]]":
    """Worlds with settings of one's own; `beside` another one, on its ground, or over a `database` that is there."""
    from tests.stacks import File
    from tests.world import World

    made: list[World] = []

    def make(*, beside: World | None = None, database: Path | None = None, **settings: Any) -> World:
        home = tmp_path / f"home{len(made)}"
        home.mkdir()
        ground = beside.ground if beside else File(database) if database else new_ground(len(made), home)
        made.append(World(ground, home, **settings))
        return made[-1]

    yield make
    for world in made:
        await world.end()


@pytest.fixture
async def world(make_world: "Callable[..., World]") -> "World":
    return make_world()


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """Log at level debug as a server does; gives what was logged so far."""
    from ringback.kit.log import set_up
    from ringback.registrar.directs.model import IN_LOGS

    said = StringIO()
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    set_up("registrar-manager", "debug", "json", IN_LOGS, stream=said)
    yield said.getvalue
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)
