"""What is counted by one process, or by all instances in a Redis."""

from collections.abc import AsyncIterator

import pytest

from ringback.transports.redis.address import Address
from ringback.transports.redis.server import Redis


@pytest.fixture(params=["local", pytest.param("redis", marks=pytest.mark.process)])
async def shared(request: pytest.FixtureRequest) -> AsyncIterator[Redis | None]:
    """The Redis of all instances, or `None` where each counts by itself."""
    if request.param == "local":
        yield None
        return
    database = request.getfixturevalue("redis_database")
    redis = Redis(Address.parse(request.getfixturevalue("redis_server").url(database)), patience=10.0)
    yield redis
    await redis.close()
