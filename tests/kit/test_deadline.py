"""One deadline, however deep one waits."""

import asyncio

import pytest

from ringback.kit.deadline import Until


def soon(seconds: float = 0.01) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_who_waits_within_the_same_deadline_is_stopped_by_the_one_that_began() -> None:
    deadline, stopped = soon(), []

    async def within() -> None:
        try:
            async with Until(deadline):
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append("cancelled")
            raise

    with pytest.raises(TimeoutError):
        async with Until(deadline):
            await within()

    assert stopped == ["cancelled"]


async def test_an_earlier_deadline_within_is_kept_and_so_is_the_same_one_afterwards() -> None:
    deadline = soon(60)
    async with Until(deadline):
        with pytest.raises(TimeoutError):
            async with Until(soon()):
                await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with Until(past := soon(-1)):
            await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with Until(past):
            await asyncio.sleep(0)
