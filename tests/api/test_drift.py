"""`/v1.0/drift`: what the SIP tables say and should not, seen and repaired by the operator."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from ringback.kit.secret import Secret
from ringback.sip.digest import ha1
from tests.api.test_audit import found as entries
from tests.world import PASSWORD, World, faulty, refusal

PLACE = "/v1.0/drift"
GHOST = "ghost@xx.registrar.localhost"


async def drift(operator: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await operator.get(PLACE, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def repair(operator: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await operator.post(f"{PLACE}:repair", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def column(name: str, found: str | None, wanted: str | None) -> dict[str, str | None]:
    return {"column": name, "found": found, "wanted": wanted}


@pytest.mark.contract("registrar R-64")
async def test_each_row_that_differs_is_told_with_its_columns_and_its_owner_and_then_repaired(
    world: World, operator: httpx.AsyncClient
) -> None:
    made, lost = await world.create(), await world.create("1002")
    trunk = await world.create_trunk()
    before = world.everything()["ps_aors"]
    world.sql("UPDATE ps_aors SET max_contacts = 70, remove_existing = 'no' WHERE id = ?", made["endpoint_id"])
    world.sql("DELETE FROM ps_auths WHERE id = ?", lost["endpoint_id"])
    world.sql("UPDATE registrar_sip_auths SET allowed_ips = ? WHERE username = 'pbx01'", '["0.0.0.0/0"]')
    spoilt = world.everything()["ps_aors"]
    mine = {"customer_id": str(world.customer)}

    found = await drift(operator)

    assert world.everything()["ps_aors"] == spoilt
    assert (found["total"], found["unread"]) == (3, [])
    rows = {row["table"]: row for row in found["result"]}
    assert rows["ps_aors"] == mine | {
        "table": "ps_aors",
        "id": made["endpoint_id"],
        "action": "correct",
        "state": "due",
        "object_id": made["id"],
        "columns": [column("max_contacts", "70", "3"), column("remove_existing", "no", "yes")],
    }
    assert (rows["ps_auths"]["action"], rows["ps_auths"]["object_id"]) == ("add", lost["id"])
    assert rows["registrar_sip_auths"] == mine | {
        "table": "registrar_sip_auths",
        "id": trunk["id"],
        "action": "correct",
        "state": "due",
        "object_id": trunk["id"],
        "columns": [column("allowed_ips", '["0.0.0.0/0"]', '["203.0.113.7"]')],
    }

    done = await repair(operator)

    assert {(row["table"], row["state"]) for row in done["result"]} == {(table, "done") for table in rows}
    assert world.everything()["ps_aors"] == before
    assert (await drift(operator))["total"] == (await repair(operator))["total"] == 0


@pytest.mark.contract("registrar R-87")
async def test_no_password_and_no_digest_is_told(world: World, operator: httpx.AsyncClient) -> None:
    made = await world.create()
    right = ha1("1001", made["realm"], Secret(PASSWORD)).md5
    for other in ("0" * 32, None):
        world.sql("UPDATE ps_auths SET md5_cred = ?, password = 'Sample-Pass-0009', password_digest = 'MD5:1'", other)
        world.sql("UPDATE registrar_sip_auths SET ha1 = ?", other)

        answer = await operator.get(PLACE)

        for secret in (right, "0" * 32, "Sample-Pass", "MD5:"):
            assert secret not in answer.text
        told = {one["column"]: one for row in answer.json()["result"] for one in row["columns"]}
        assert told["md5_cred"] == column("md5_cred", "differs" if other else None, "hidden")
        assert told["password"] == column("password", "differs", None)


async def test_a_row_of_nobody_waits_and_goes_at_once_when_told_so(world: World, operator: httpx.AsyncClient) -> None:
    world.sql("INSERT INTO ps_aors (id) VALUES (?)", GHOST)

    (row,) = (await drift(operator))["result"]
    assert (row["action"], row["state"], row["customer_id"], row["object_id"]) == ("remove", "waiting", None, None)
    assert [row["state"] for row in (await repair(operator))["result"]] == ["waiting"]
    assert [row["state"] for row in (await repair(operator, force="true"))["result"]] == ["done"]
    assert world.sql("SELECT * FROM ps_aors") == []


@pytest.mark.contract("registrar R-87")
async def test_an_answer_has_a_bound_and_counts_all(world: World, operator: httpx.AsyncClient) -> None:
    for number in range(1001, 1006):
        await world.create(str(number))
    world.sql("UPDATE ps_aors SET max_contacts = 70")
    world.sql("DELETE FROM ps_auths")

    found = await drift(operator, page_size=2)
    assert (found["total"], len(found["result"])) == (10, 2)
    assert {(one["table"], one["action"], one["state"], one["rows"]) for one in found["counts"]} == {
        ("ps_aors", "correct", "due", 5),
        ("ps_auths", "add", "due", 5),
    }
    done = await repair(operator, most=2)
    counts = {(one["table"], one["state"]): one["rows"] for one in done["counts"]}
    assert counts == {
        **dict.fromkeys((("ps_aors", "done"), ("ps_auths", "done")), 2),
        **dict.fromkeys((("ps_aors", "left"), ("ps_auths", "left")), 3),
    }
    assert (await drift(operator))["total"] == 6
    assert faulty(await operator.get(PLACE, params={"page_size": 1001, "colour": 1})) == ["page_size", "colour"]
    assert faulty(await operator.post(f"{PLACE}:repair", params={"most": 0, "force": 7})) == ["most", "force"]


@pytest.mark.sqlite
async def test_a_table_that_cannot_be_compared_is_named(world: World, operator: httpx.AsyncClient) -> None:
    await world.create()
    world.sql("UPDATE registrar_extensions SET tm_create = 'yesterday'")

    assert (await drift(operator))["unread"] == ["ps_aors", "ps_auths", "ps_endpoints", "registrar_sip_auths"]


@pytest.mark.contract("registrar R-87")
async def test_a_repair_stands_in_the_audit_log_and_a_look_does_not(world: World, operator: httpx.AsyncClient) -> None:
    await world.create()
    world.sql("UPDATE ps_aors SET max_contacts = 70")
    await drift(operator)
    await repair(operator)

    (entry,) = await entries(operator, kind="drift")

    assert (entry["action"], entry["actor"], entry["source"], entry["customer_id"]) == (
        "repaired",
        "key:test",
        "rest",
        None,
    )
    assert entry["after"] == {"repairs": [{"table": "ps_aors", "action": "correct", "state": "done", "rows": 1}]}


@pytest.mark.contract("registrar R-87")
async def test_it_is_the_operators_alone(world: World, http: httpx.AsyncClient) -> None:
    await world.create()
    before = world.everything()

    assert refusal(await http.get(PLACE)) == refusal(await http.post(f"{PLACE}:repair")) == (403, "PERMISSION_DENIED")
    assert world.everything() == before


async def test_what_somebody_put_into_a_row_is_told_as_text_and_cut(world: World, operator: httpx.AsyncClient) -> None:
    made = await world.create()
    world.sql("UPDATE ps_endpoints SET aors = ?", "x" * 2000)
    world.sql("UPDATE registrar_sip_auths SET auth_types = ? WHERE id = ?", '{"a": [1]}', UUID(made["id"]).bytes)

    rows = {row["table"]: row["columns"] for row in (await drift(operator))["result"]}

    assert rows["ps_endpoints"] == [column("aors", "x" * 255, made["endpoint_id"])]
    assert rows["registrar_sip_auths"] == [column("auth_types", '{"a":[1]}', '["basic"]')]
