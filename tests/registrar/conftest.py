"""Fixtures for the registrar's tests."""

import logging
from collections.abc import Callable, Iterator
from io import StringIO

import pytest
import structlog

from ringback.kit.log import set_up
from ringback.registrar.directs.model import IN_LOGS


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
