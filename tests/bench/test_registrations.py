"""What is measured of registrations and of steadiness happens: phones that come or go are told of, events are heard."""

from dataclasses import replace

import pytest

from bench import registrations, steady
from bench.ground import Ground
from bench.load import closed

pytestmark = [pytest.mark.process, pytest.mark.long, pytest.mark.asyncio(loop_scope="session")]


async def test_each_phone_that_comes_or_goes_is_told_of_once_and_no_other(servers: Ground) -> None:
    (found,) = (await registrations.measure(replace(servers, share=0.06))).details.values()

    for name in ("changes", "both"):
        assert found[name]["told_once"] == found[name]["changes"] > 0
    assert [one["told_too_much"] for one in found.values()] == [0, 0, 0]
    assert found["refreshes"]["each"]["Com_update"] < 0.1


async def test_every_create_is_heard_of_and_ringback_is_back_after_broker_and_database(
    servers: Ground,
) -> None:
    found = await steady.measure(replace(servers, share=0.06))

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
