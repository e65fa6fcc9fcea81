"""What is measured of registrations and of steadiness happens: phones that come or go are told of, events are heard."""

import pytest

from bench import registrations, steady
from bench.ground import ground
from bench.load import closed

pytestmark = [pytest.mark.process, pytest.mark.long]


async def test_each_phone_that_comes_or_goes_is_told_of_once_and_no_other() -> None:
    async with ground(lambda line: None, share=0.01) as made:
        (found,) = (await registrations.measure(made)).details.values()

    for name in ("changes", "both"):
        assert found[name]["told_once"] == found[name]["changes"] > 0
    assert [one["told_too_much"] for one in found.values()] == [0, 0, 0]
    assert found["refreshes"]["each"]["Com_update"] < 0.1


async def test_every_create_is_heard_of_and_ringback_is_back_after_broker_and_database() -> None:
    async with ground(lambda line: None, share=0.01) as made:
        found = await steady.measure(made)

    details = found.details["M-11"]
    assert details["get"]["came"].keys() == {"200"} == details["create"]["came"].keys()
    assert details["events"]["count"] == details["create"]["count"]
    assert [figure.value is not None for figure in found.figures] == [True] * 5


async def test_both_halves_of_what_was_asked_are_looked_at() -> None:
    async def ask(number: int) -> str:
        return "done"

    taken = await closed(ask, in_flight=1, seconds=60, times=4)

    taken.ms = [1, 2, 3, 30]
    assert taken.document()["p99_of_halves"] == [2, 30]
