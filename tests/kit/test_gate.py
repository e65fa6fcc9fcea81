"""A few at a time, the others in turn, and not too many of them."""

import asyncio
from collections.abc import Callable

import pytest

from ringback.kit.errors import PeerUnavailable
from ringback.kit.gate import MOST, Gate, Gates


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


class Walkers:
    """Tasks that go through the gates of a key without waiting for anything within."""

    def __init__(self, gates: Gates) -> None:
        self.gates = gates
        self.seen: list[str] = []

    async def walk(self, key: str) -> None:
        async with self.gates.place(key):
            self.seen.append(key)


async def test_those_of_one_key_begin_one_by_one_and_others_go_on_between_them() -> None:
    walkers = Walkers(Gates(8, PeerUnavailable))

    await asyncio.gather(*(walkers.walk(key) for key in "aaabbc"))

    assert walkers.seen == ["a", "b", "c", "a", "b", "a"]


async def test_of_one_key_no_more_are_within_than_there_are_places_and_another_has_its_own() -> None:
    gates = Gates(2, PeerUnavailable)
    tasks = [asyncio.create_task(gates.enter(key)) for key in "aaaab"]
    await settled()
    assert [task.done() for task in tasks] == [True, True, False, False, True]

    gates.leave("a")
    await settled()
    assert [task.done() for task in tasks] == [True, True, True, False, True]

    for key in "aab":
        gates.leave(key)
    await asyncio.gather(*tasks)


async def test_of_one_key_not_too_many_wait() -> None:
    gates = Gates(1, PeerUnavailable)
    tasks = [asyncio.create_task(gates.enter("a")) for _ in range(MOST)]
    await settled()

    with pytest.raises(PeerUnavailable):
        await gates.enter("a")

    await gates.enter("b")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("late", [False, True])
async def test_who_gives_up_in_a_line_is_in_nobodys_way(late: bool) -> None:
    gates = Gates(1, PeerUnavailable)
    await gates.enter("a")
    waiting, behind = (asyncio.create_task(gates.enter("a")) for _ in range(2))
    await settled()

    if late:  # it has been let in, and does not know yet
        gates.leave("a")
    waiting.cancel()
    await settled()
    if not late:
        assert not behind.done()
        gates.leave("a")
        await settled()

    assert behind.done()
    assert waiting.cancelled()
    gates.leave("a")
    await gates.enter("a")
