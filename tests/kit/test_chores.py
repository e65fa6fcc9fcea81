"""What a process does again and again waits for an outage to end, and tells of it once."""

from collections.abc import Awaitable, Callable, Iterator

import pytest

from ringback.kit.chores import again_and_again
from ringback.kit.errors import DatabaseUnavailable


class Ended(BaseException):
    """There is nothing more to do."""


def doing(*faults: Exception | None) -> Callable[[], Awaitable[None]]:
    """A chore that fails so, one time after the other."""
    left: Iterator[Exception | None] = iter(faults)

    async def once() -> None:
        if fault := next(left, Ended()):
            raise fault

    return once


async def test_an_outage_is_told_once_and_again_when_it_comes_back_or_is_another(logged: Callable[[], str]) -> None:
    away, strange = DatabaseUnavailable(), KeyError("strange")
    faults = (away, away, None, away, away, strange, strange)

    with pytest.raises(Ended):
        await again_and_again(doing(*faults), 0, action="test", failure="it does not go on")

    lines = [line for line in logged().splitlines() if "it does not go on" in line]
    assert ["strange" in line for line in lines] == [False, False, True]
    assert "Traceback" in lines[2]
    assert "Traceback" not in lines[0]
