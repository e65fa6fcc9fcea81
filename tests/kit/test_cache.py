"""What is cached comes back as it was, for its time; in this process and in Redis alike."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from ringback.kit.cache import Cache, LocalCache, NoCache
from ringback.registrar.contacts.model import from_row
from ringback.registrar.work import Seen
from ringback.transports.redis.address import Address
from ringback.transports.redis.store import RedisStore
from tests.patience import ENOUGH

SEEN = Seen(
    (from_row({"id": "1001@a;@1", "uri": "sip:1001@192.0.2.44^3Btransport=tcp", "via_port": 5062, "call_id": "ü\n"}),),
    datetime(2026, 2, 11, 9, 30, 0, 123456, tzinfo=UTC),
)


@pytest.fixture(params=["local", pytest.param("redis", marks=pytest.mark.process)])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[Cache[Seen]]:
    if request.param == "local":
        yield LocalCache()
        return
    database = request.getfixturevalue("redis_database")
    address = Address.parse(request.getfixturevalue("redis_server").url(database))
    store = RedisStore(address, lambda use: None, lambda state: None)
    yield store.cache("contacts", Seen)
    await store.close()


async def test_a_value_comes_back_equal_under_its_name_alone(cache: Cache[Seen]) -> None:
    assert await cache.get("a") is None
    await cache.fill("a", SEEN, ENOUGH)
    await cache.fill("b", Seen((), SEEN.as_of), ENOUGH)

    assert await cache.get("a") == SEEN
    assert await cache.get("b") == Seen((), SEEN.as_of)
    assert await cache.get("ab") is None


async def test_a_value_goes_after_its_time_and_can_be_held_again(cache: Cache[Seen]) -> None:
    await cache.fill("a", SEEN, 0.02)
    async with asyncio.timeout(ENOUGH):
        while await cache.get("a"):
            pass
    await cache.fill("a", SEEN, ENOUGH)

    assert await cache.get("a") == SEEN


@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_value_without_time_is_not_held(cache: Cache[Seen], seconds: float) -> None:
    await cache.fill("a", SEEN, seconds)

    assert await cache.get("a") is None


async def test_the_oldest_go_when_there_are_too_many() -> None:
    cache = LocalCache[str](lambda: 0.0, largest=3)
    for name in "abcad":
        await cache.fill(name, name, ENOUGH)

    assert [name for name in "abcd" if await cache.get(name)] == ["a", "c", "d"]


async def test_where_nothing_may_be_cached_nothing_is() -> None:
    cache = NoCache[str]()
    await cache.fill("a", "a", ENOUGH)

    assert await cache.get("a") is None
