"""The floor of creates writes what Ringback writes."""

from dataclasses import replace

import pytest

from bench import creates
from bench.ground import Ground

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="session")]


async def test_both_sides_write_a_row_of_each_table_for_each_create(servers: Ground) -> None:
    (found,) = (await creates.measure(replace(servers, share=0.01))).details.values()

    for side, others in (("ringback", 2), ("driver", 0)):
        asked = found[side]["asked"]
        rows = found[side]["rows"]
        assert rows.pop("ringback_audit") - rows["ps_aors"] in (0, 1)  # the realm of the customer
        assert set(rows.values()) == {asked + others}
        assert asked > 0
