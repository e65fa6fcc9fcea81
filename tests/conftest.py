"""Fixtures for every test."""

import logging
import os
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog

from ringback.databases import make_schema
from ringback.kit.log import set_up
from ringback.registrar.directs.model import IN_LOGS
from tests.memory import memory
from tests.world import World

pytest_plugins = ["tests.servers.fixtures"]


def pytest_configure() -> None:
    """Files of tests live in memory where there is room: a database syncs each of its commits."""
    if folder := memory():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> Iterator[None]:
    """Tracebacks as text: the colourful ones of an unconfigured log take a second each."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with the schema of today, made by the migrations."""
    path = tmp_path_factory.mktemp("template") / "ringback.db"
    make_schema(path)
    return path


@pytest.fixture
def make_world(template: Path, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Worlds with settings of one's own."""
    made: list[World] = []

    def make(**settings: Any) -> World:
        home = tmp_path / f"home{len(made)}"
        home.mkdir()
        made.append(World(template, home, **settings))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
async def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """Log at level debug as a server does; gives what was logged so far."""
    said = StringIO()
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    set_up("registrar-manager", "debug", "json", IN_LOGS)
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(said)
    yield said.getvalue
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)
