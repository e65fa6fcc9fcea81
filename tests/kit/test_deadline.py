"""One deadline, however deep one waits."""

import asyncio
from typing import Any

import pytest

from ringback.kit.deadline import Deadline, until


def soon(seconds: float = 0.01) -> float:
    return asyncio.get_running_loop().time() + seconds


def for_ever() -> Any:
    return asyncio.Event().wait()


async def test_who_waits_within_the_same_deadline_is_stopped_by_the_one_that_began() -> None:
    deadline, stopped = soon(), []

    async def within() -> None:
        try:
            await until(deadline, for_ever())
        except asyncio.CancelledError:
            stopped.append("cancelled")
            raise

    with pytest.raises(TimeoutError):
        await until(deadline, within())

    assert stopped == ["cancelled"]


async def test_an_earlier_deadline_within_is_kept_and_so_is_the_same_one_afterwards() -> None:
    async def within() -> str:
        with pytest.raises(TimeoutError):
            await until(soon(), for_ever())
        return "goes on"

    assert await until(soon(60), within()) == "goes on"
    past = soon(-1)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await until(past, asyncio.sleep(0))


async def test_who_never_waits_is_not_asked_for_the_time() -> None:
    async def at_once() -> int:
        return 7

    async def failing() -> None:
        raise KeyError

    assert await until(soon(-1), at_once()) == 7
    with pytest.raises(KeyError):
        await until(soon(-1), failing())


async def test_what_is_waited_for_is_heard_of_each_time_be_it_a_failure() -> None:
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()
    loop.call_soon(first.set_result, 1)
    loop.call_soon(second.set_exception, KeyError("two"))

    async def hearing() -> tuple[int, str]:
        one: int = await first
        try:
            await second
        except KeyError as error:
            await asyncio.sleep(0)
            return one, str(error.args[0])
        raise AssertionError

    assert await until(soon(60), hearing()) == (1, "two")


async def test_who_is_cancelled_from_outside_is_told_so_and_nobody_is_too_late() -> None:
    ended = []

    async def waiting() -> None:
        try:
            await for_ever()
        finally:
            ended.append("ended")

    task = asyncio.create_task(until(soon(60), waiting()))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["ended"]


async def deaf() -> None:
    """Overhears the first time that it is told to end."""
    try:
        await for_ever()
    except asyncio.CancelledError:
        await for_ever()


async def test_who_overhears_that_the_time_is_up_is_told_again() -> None:
    with pytest.raises(TimeoutError):
        await until(soon(), deaf())
    with pytest.raises(TimeoutError), Deadline(soon()), Deadline(soon()):
        await deaf()
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_who_overhears_that_they_are_cancelled_ends_at_the_deadline_as_cancelled() -> None:
    task = asyncio.create_task(until(soon(), deaf()))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
