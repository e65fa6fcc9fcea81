"""What is measured of reads over RabbitMQ is asked and answered, on both sides."""

from dataclasses import replace

import pytest

from bench import lookups, requests
from bench.ground import Ground

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="session")]


async def test_extensions_and_direct_addresses_are_found_and_the_floors_answer_as_well(
    servers: Ground,
) -> None:
    made = replace(servers, share=0.002)
    asked = await requests.measure(made)
    looked_up = await lookups.measure(made)

    for sides in (*asked.details["M-1"].values(), looked_up.details["M-4"]):
        floors = [sides["echo"], *([sides[requests.C]] if requests.C in sides else [])]
        assert all(one["came"].keys() == {"echo"} for side in floors for one in side["rounds"])
        assert all(one["came"].keys() <= {"200", "404"} for one in sides["ringback"]["rounds"])
        assert max(one["cpu_us_each"]["service"] for one in sides["echo"]["rounds"]) > 0
    large, small = looked_up.details["M-4"]["rows_examined"].values()
    assert large == small > 0
