"""What an operation reads does not grow with what there is."""

from dataclasses import replace

import pytest

from bench import growth
from bench.ground import Ground

ALLOWED = {"get": 1, "create": 4, "list": 1}
"""More statements: of a create some come with its event, which is told alone or together with the next one."""

BESIDE = 20
"""Rows that other work of the service looks at meanwhile."""


@pytest.mark.process
@pytest.mark.asyncio(loop_scope="session")
async def test_no_operation_reads_more_rows_or_says_more_statements_among_more_extensions(servers: Ground) -> None:
    whole = await growth.measure(replace(servers, share=0.001))

    found = whole.details["M-10"]
    for name in growth.NAMES:
        few, many = (found[f"{name}_{count}"] for count in (100, 1000))
        assert many["statements"] - few["statements"] <= ALLOWED[name]
        assert many["rows_examined"] < 2 * few["rows_examined"] + BESIDE
    assert len(whole.blocks) == len(growth.NAMES)


def test_the_database_may_pay_the_logarithm_and_the_others_nothing_more() -> None:
    assert (growth.deeper(10_000, 1_000_000), growth.deeper(100, 10_000), growth.deeper(900, 1000)) == (1.5, 2, 1.25)

    cost = {"cpu_us_each": dict.fromkeys(growth.PARTS, 10.0), "rows_examined": 3}
    dearer = {"cpu_us_each": dict.fromkeys(growth.PARTS, 14.0), "rows_examined": 4}
    figures = growth.compared("create", {10_000: cost, 100_000: cost, 1_000_000: dearer})
    assert [one.passes for one in figures] == [False, False, True, False]
