"""An item is in the making while the one before it is worked on, and no more than one."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ringback.kit.ahead import ahead


class Making:
    """Numbers from 1 on, each as soon as it may; `made` are those so far."""

    def __init__(self, *, fails_at: int = 0) -> None:
        self.made: list[int] = []
        self.is_given_up = False
        self.may = asyncio.Semaphore(0)
        self._fails_at = fails_at

    async def numbers(self, count: int) -> AsyncIterator[int]:
        for number in range(1, count + 1):
            try:
                await self.may.acquire()
            except asyncio.CancelledError:
                self.is_given_up = True
                raise
            if number == self._fails_at:
                raise ValueError(number)
            self.made.append(number)
            yield number


async def settled() -> None:
    """All that can go on has done so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_next_one_is_made_meanwhile_and_no_further_one() -> None:
    making = Making()
    for _ in range(5):
        making.may.release()

    async with ahead(making.numbers(5)) as numbers:
        assert await anext(numbers) == 1
        await settled()
        assert making.made == [1, 2]
        assert [number async for number in numbers] == [2, 3, 4, 5]


async def test_nothing_is_nothing() -> None:
    async with ahead(Making().numbers(0)) as numbers:
        assert [number async for number in numbers] == []


async def test_a_failure_comes_after_what_was_made_before_it() -> None:
    making, seen = Making(fails_at=3), list[int]()
    for _ in range(5):
        making.may.release()

    async def look() -> None:
        async with ahead(making.numbers(5)) as numbers:
            async for number in numbers:
                await settled()
                seen.append(number)

    with pytest.raises(ValueError, match="3"):
        await look()

    assert seen == [1, 2]


async def test_what_is_in_the_making_at_the_end_is_given_up() -> None:
    making = Making()
    making.may.release()

    async def stop() -> None:
        async with ahead(making.numbers(5)) as numbers:
            assert await anext(numbers) == 1
            await settled()
            raise KeyError

    with pytest.raises(KeyError):
        await stop()

    assert making.is_given_up
