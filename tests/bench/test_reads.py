"""What is measured of reads over RabbitMQ is asked and answered, on both sides."""

import pytest

from bench import lookups, requests
from bench.ground import ground

pytestmark = pytest.mark.process


async def test_extensions_and_direct_addresses_are_found_and_the_floors_answer_as_well() -> None:
    async with ground(lambda line: None, share=0.002) as made:
        asked = await requests.measure(made)
        looked_up = await lookups.measure(made)

    for sides in (*asked.details["M-1"].values(), looked_up.details["M-4"]):
        floors = [sides["echo"], *([sides[requests.C]] if requests.C in sides else [])]
        assert all(one["came"].keys() == {"echo"} for side in floors for one in side["rounds"])
        assert all(one["came"].keys() <= {"200", "404"} for one in sides["ringback"]["rounds"])
        assert sides["echo"]["cpu_us_each"]["service"] > 0
    large, small = looked_up.details["M-4"]["rows_examined"].values()
    assert large == small > 0
