"""The servers of the bench, for all its tests."""

from collections.abc import AsyncIterator

import pytest_asyncio

from bench.ground import Ground, ground


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers() -> AsyncIterator[Ground]:
    """One ground for the run: each test takes a share of its own (`replace(servers, share=0.01)`)."""
    async with ground(lambda line: None) as made:
        yield made
