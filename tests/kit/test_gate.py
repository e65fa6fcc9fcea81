"""A few at a time, the others in turn, and not too many of them."""

import asyncio
from collections.abc import Callable

import pytest

from ringback.kit.errors import PeerUnavailable
from ringback.kit.gate import Gate


class Guests:
    """Tasks that go through a gate and stay until they are let go."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.within: list[str] = []
        self.most = 0
        self._leave: dict[str, asyncio.Event] = {}

    async def come(self, name: str) -> asyncio.Task[None]:
        """A task that is at the gate now."""
        self._leave[name] = asyncio.Event()
        task = asyncio.create_task(self._stay(name))
        await settled()
        return task

    async def go(self, name: str) -> None:
        self._leave[name].set()
        await settled()

    async def _stay(self, name: str) -> None:
        async with self.gate:
            self.within.append(name)
            self.most = max(self.most, len(self.within))
            try:
                await self._leave[name].wait()
            finally:
                self.within.remove(name)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_no_more_are_within_than_there_are_places_and_the_others_follow_in_turn() -> None:
    guests = Guests(Gate(2))
    tasks = [await guests.come(name) for name in "abcde"]
    assert guests.within == ["a", "b"]

    seen = []
    for name in "abcde":
        await guests.go(name)
        seen.append("".join(guests.within))

    assert seen == ["bc", "cd", "de", "e", ""]
    assert guests.most == 2
    await asyncio.gather(*tasks)


async def test_its_watcher_hears_how_many_are_within_or_want_to_be() -> None:
    gate, heard = Gate(1), list[int]()
    gate.watch(heard.append)
    guests = Guests(gate)
    for name in "abc":
        await guests.come(name)
    for name in "abc":
        await guests.go(name)
    gate.watch(None)
    await guests.come("d")

    assert heard == [1, 2, 3, 2, 1, 0]
    assert gate.waiting == 1


async def test_who_comes_when_too_many_wait_is_refused_at_once_with_nothing_asked() -> None:
    guests = Guests(Gate(1, most=3))
    for name in "abc":
        await guests.come(name)

    with pytest.raises(PeerUnavailable) as refused:
        await guests.gate.__aenter__()

    assert not refused.value.asked
    assert guests.gate.waiting == 3
    await guests.go("a")
    await guests.come("d")
    assert guests.gate.waiting == 3


@pytest.mark.parametrize("who", ["within", "waiting"])
async def test_who_gives_up_leaves_nothing_behind(who: str) -> None:
    guests = Guests(Gate(1))
    tasks = {"within": await guests.come("a"), "waiting": await guests.come("b")}

    tasks[who].cancel()
    await settled()

    assert guests.within == ["b" if who == "within" else "a"]
    assert guests.gate.waiting == 1


@pytest.mark.parametrize("fail", [KeyError, asyncio.CancelledError])
async def test_a_place_is_free_again_after_a_failure(fail: Callable[[], BaseException]) -> None:
    gate = Gate(1)
    for _ in range(3):
        with pytest.raises(fail().__class__):
            async with gate:
                raise fail()

    assert gate.waiting == 0
