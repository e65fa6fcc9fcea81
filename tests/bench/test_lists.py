"""A list and its floor read as many rows, by one statement, wherever the page is."""

from dataclasses import replace

import pytest

from bench import lists
from bench.ground import Ground

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="session")]


async def test_a_list_is_one_statement_on_the_first_page_and_deep_down(servers: Ground) -> None:
    (found,) = (await lists.measure(replace(servers, share=0.001))).details.values()

    first, deep = (found[name]["ringback"]["counted"] for name in ("first", "page_5"))
    assert first["statements"] == deep["statements"] == 1
    assert max(first["rows_examined"], deep["rows_examined"]) < 4 * lists.SIZE, "the row, its direct, and one beside"
    assert found["first"]["driver"]["a_second"] > 0
