"""What the dialplan asks the database: each query of the file, as Asterisk would send it."""

import re

import pytest

from ringback.sip.func_odbc import QUERIES, func_odbc_conf
from tests.world import World


def queries(first: str, second: str) -> dict[str, str]:
    """The file's own, with two arguments that need no escape."""
    text = func_odbc_conf("ringback")
    found = re.findall(r"^\[(\w+)\]\nprefix=RINGBACK\ndsn=ringback\nreadsql=(.*)$", text, re.MULTILINE)
    arguments = {"${SQL_ESC(${ARG1})}": first, "${SQL_ESC(${ARG2})}": second}
    return {name: re.sub(r"\$\{SQL_ESC\(\$\{ARG\d\}\)\}", lambda one: arguments[one[0]], sql) for name, sql in found}


@pytest.mark.sqlite
def test_every_query_goes_by_indexes_alone(world: World) -> None:
    asked = queries("1001", "acme.trunk.localhost")

    assert asked.keys() == QUERIES.keys()
    for name, sql in asked.items():
        plan = [row["detail"] for row in world.sql(f"EXPLAIN QUERY PLAN {sql}")]
        assert plan, name
        assert not [step for step in plan if step.startswith("SCAN")], (name, plan)


async def test_each_gives_the_endpoint_of_who_is_called_and_of_nobody_nothing(world: World) -> None:
    made, trunk = await world.create("AbC", direct=True), await world.create_trunk("carrier-a", outbound=True)
    endpoint, hash = made["endpoint_id"], made["direct_hash"]
    asked = {
        "NUMBER": (endpoint, ""),
        "DIRECT": (hash, ""),
        "PHONE_DIRECT": (hash, endpoint),
        "TRUNK_DIRECT": (hash, trunk["realm"]),
        "TRUNK_NUMBER": ("abc", trunk["realm"]),
        "WAY_OUT": (endpoint, ""),
    }

    assert asked.keys() == QUERIES.keys()
    for name, arguments in asked.items():
        wanted = trunk["realm"] if name == "WAY_OUT" else endpoint
        assert [list(row.values()) for row in world.sql(queries(*arguments)[name])] == [[wanted]], name
        assert world.sql(queries(f"{arguments[0]}0", arguments[1])[name]) == [], name
