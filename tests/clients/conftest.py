"""Fixtures of the clients' tests."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> Iterator[None]:
    """Tracebacks of the service as text: the colourful ones of an unconfigured log take a second each."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ]
    )
    yield
    structlog.reset_defaults()
