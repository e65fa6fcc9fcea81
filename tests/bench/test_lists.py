"""A list and its floor read as many rows, by one statement, wherever the page is."""

import pytest

from bench import lists
from bench.ground import ground

pytestmark = pytest.mark.process


async def test_a_list_is_one_statement_on_the_first_page_and_deep_down() -> None:
    async with ground(lambda line: None, share=0.001) as made:
        (found,) = (await lists.measure(made)).details.values()

    first, deep = (found[name]["ringback"]["counted"] for name in ("first", "page_5"))
    assert first["statements"] == deep["statements"] == 1
    assert found["first"]["driver"]["a_second"] > 0
