"""Places for calls: as many as allowed, in order, and none that is lost."""

import asyncio

import pytest

from ringback.router.invoking.bulkhead import Bulkhead


@pytest.mark.contract("router R-9d")
async def test_places_are_given_in_the_order_of_asking_and_nobody_comes_in_between() -> None:
    bulkhead = Bulkhead(1)
    assert bulkhead.enter()
    came: list[int] = []

    async def wait(number: int) -> None:
        assert await bulkhead.wait(60)
        came.append(number)
        assert not bulkhead.enter()
        bulkhead.leave()

    waiting = [asyncio.create_task(wait(number)) for number in range(3)]
    await asyncio.sleep(0)
    bulkhead.leave()
    assert not bulkhead.enter(), "somebody waits for it"
    await asyncio.gather(*waiting)

    assert (came, bulkhead.in_flight) == ([0, 1, 2], 0)


@pytest.mark.contract("router R-9d")
async def test_whoever_waits_too_long_or_gives_up_leaves_its_place_to_others() -> None:
    bulkhead = Bulkhead(1)
    assert bulkhead.enter()
    assert not await bulkhead.wait(0.001)
    early, late = (asyncio.create_task(bulkhead.wait(60)) for _ in range(2))
    await asyncio.sleep(0)
    early.cancel()
    await asyncio.wait([early])
    bulkhead.leave()

    assert await late
    bulkhead.leave()
    assert (bulkhead.in_flight, bulkhead.enter()) == (0, True)


@pytest.mark.contract("router R-9d")
async def test_a_place_that_was_given_to_somebody_who_gives_up_at_that_moment_is_given_back() -> None:
    bulkhead = Bulkhead(1)
    assert bulkhead.enter()
    waiting = asyncio.create_task(bulkhead.wait(60))
    await asyncio.sleep(0)

    bulkhead.leave()
    waiting.cancel()
    await asyncio.wait([waiting])

    assert (waiting.cancelled(), bulkhead.in_flight) == (True, 0)


@pytest.mark.contract("router R-9d")
async def test_256_wait_and_no_more() -> None:
    bulkhead = Bulkhead(0)
    waiting = [asyncio.create_task(bulkhead.wait(60)) for _ in range(256)]
    await asyncio.sleep(0)

    assert not await bulkhead.wait(60)

    for one in waiting:
        one.cancel()
    await asyncio.wait(waiting)
