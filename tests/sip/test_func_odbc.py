"""What the dialplan asks the database: each query of the file, as Asterisk would send it."""

import re
from typing import Any
from uuid import uuid4

import pytest

from ringback.sip.func_odbc import QUERIES, func_odbc_conf
from tests.policies import screened_by
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
        wanted: list[Any] = [trunk["realm"] if name == "WAY_OUT" else endpoint]
        wanted += [None, None, None, made["customer_id"], made["id"]] if "DIRECT" in name else []
        assert [list(row.values()) for row in world.sql(queries(*arguments)[name])] == [wanted], name
        assert world.sql(queries(f"{arguments[0]}0", arguments[1])[name]) == [], name


@pytest.mark.contract("router P-6")
async def test_those_of_direct_addresses_name_the_customers_enabled_policy_for_them(world: World) -> None:
    made, trunk = await world.create("1001", direct=True), await world.create_trunk("carrier-a")
    theirs = await world.create("2001", direct=True, customer_id=str(uuid4()))
    screened_by(world, made["customer_id"], "support.en", fails="open", deadline_ms=750)
    screened_by(world, made["customer_id"], "off", enabled=False)
    screened_by(world, made["customer_id"], "gone", deleted_at="2026-01-05 10:00:00")
    screened_by(world, made["customer_id"], "other", purpose=None)

    def screens(hash: str) -> list[list[Any]]:
        asked = (queries(hash, made["endpoint_id"])["PHONE_DIRECT"], queries(hash, trunk["realm"])["TRUNK_DIRECT"])
        return [list(row.values())[1:4] for sql in (*asked, queries(hash, "")["DIRECT"]) for row in world.sql(sql)]

    assert screens(made["direct_hash"]) == [["open", 750, "support.en"]] * 3
    assert screens(theirs["direct_hash"]) == [[None, None, None]] * 3

    world.sql("UPDATE router_policies SET fails = NULL, deadline_ms = NULL")
    assert screens(made["direct_hash"]) == [["closed", 500, "support.en"]] * 3
