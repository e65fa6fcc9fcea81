"""Those who want something of the same go together."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from ringback.kit.together import MOST, Lines, Member, Shared


class Shop:
    """Doubles numbers, those of one group at a time; `open` lets a group be done. It refuses negative ones."""

    def __init__(self) -> None:
        self.lines = Lines()
        self.groups: list[list[int]] = []
        self.until: list[float] = []
        self.open = asyncio.Event()
        self.at_the_end: Exception | None = None

    def asks(self, number: int, deadline: float = 1e9, name: str = "") -> asyncio.Task[int]:
        return asyncio.create_task(self.lines.join(name, Member(number, deadline, self._double)))

    async def _double(self, numbers: Sequence[int], deadline: float) -> list[int]:
        self.groups.append(list(numbers))
        self.until.append(deadline)
        await self.open.wait()
        if min(numbers) < 0:
            raise ValueError(min(numbers))
        if self.at_the_end:
            raise Shared(self.at_the_end)
        return [2 * number for number in numbers]


@pytest.fixture
async def shop() -> Shop:
    return Shop()


async def turn() -> None:
    """Let everybody come as far as they can."""
    for _ in range(8):
        await asyncio.sleep(0)


async def test_the_first_waits_for_nobody_and_who_comes_meanwhile_goes_with_the_next(shop: Shop) -> None:
    first = shop.asks(1)
    await turn()
    others = [shop.asks(number) for number in (2, 3, 4)]
    await turn()
    assert shop.groups == [[1]]

    shop.open.set()

    assert [await one for one in (first, *others)] == [2, 4, 6, 8]
    assert shop.groups == [[1], [2, 3, 4]]


async def test_no_more_go_together_than_may(shop: Shop) -> None:
    shop.open.set()

    await asyncio.gather(*(shop.asks(number) for number in range(MOST + 1)))

    assert shop.groups == [list(range(MOST)), [MOST]]


async def test_others_do_not_wait(shop: Shop) -> None:
    shop.asks(1, name="a")
    shop.asks(2, name="b")

    await turn()

    assert shop.groups == [[1], [2]]
    shop.open.set()


async def test_one_who_cannot_be_served_keeps_no_other_and_all_keep_their_order(shop: Shop) -> None:
    shop.open.set()

    asked = [shop.asks(number) for number in (1, 2, 3, -4, 5, 6, 7, 8)]
    answers = await asyncio.gather(*asked, return_exceptions=True)

    assert [*answers[:3], *answers[4:]] == [2, 4, 6, 10, 12, 14, 16]
    assert isinstance(answers[3], ValueError)
    assert shop.groups == [[1, 2, 3, -4, 5, 6, 7, 8], [1, 2], [3, -4], [3], [-4], [5, 6], [7, 8]]


async def test_what_fails_at_its_end_fails_for_all_and_is_not_tried_again(shop: Shop) -> None:
    shop.at_the_end = KeyError("gone")
    shop.open.set()

    answers = await asyncio.gather(shop.asks(1), shop.asks(2), return_exceptions=True)

    assert list(answers) == [shop.at_the_end, shop.at_the_end]
    assert shop.groups == [[1, 2]]


async def test_who_goes_away_before_their_turn_is_left_out_and_later_is_not_missed(shop: Shop) -> None:
    first = shop.asks(1)
    await turn()
    second, third = shop.asks(2), shop.asks(3)
    await turn()
    for gone in (first, second):
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone

    shop.open.set()

    assert await third == 6
    assert shop.groups == [[1], [3]]


async def test_a_group_has_as_long_as_the_most_hurried_of_them(shop: Shop) -> None:
    shop.open.set()

    await asyncio.gather(shop.asks(1, 7.0), shop.asks(2, 5.0), shop.asks(3, 9.0))

    assert shop.until == [5.0]


async def test_nothing_is_kept_of_a_line_that_is_empty(shop: Shop) -> None:
    shop.open.set()
    await shop.asks(1)
    await turn()

    assert await shop.asks(2) == 4
    assert shop.groups == [[1], [2]]
    await turn()
    assert vars(shop.lines) == {"_waiting": {}, "_at_work": set()}
