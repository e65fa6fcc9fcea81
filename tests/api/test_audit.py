"""`/v1.0/audit`: who changed what, for those who may know."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from ringback.customers.keys import service as keys
from ringback.customers.keys.model import new_token
from ringback.routes import REST
from tests.world import PASSWORD, World

ROOT = "/v1.0/audit"


async def client(world: World, role: str, *, of_customer: bool = True) -> httpx.AsyncClient:
    token = new_token()
    whose = world.customer if of_customer else None
    await world.ringback.work.write(lambda uow: keys.keep(uow, token, whose, role, role))
    return await world.http(token.reveal())


async def found(who: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await who.get(ROOT, params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["result"])


async def test_who_did_what_from_where_and_in_which_request(http: httpx.AsyncClient, world: World) -> None:
    made = (await http.post("/v1.0/extensions", json={"extension": "1001", "password": PASSWORD})).json()
    asked = {"name": "Reception", "password": "Planted-Pass-0002"}
    await http.patch(f"/v1.0/extensions/{made['id']}", json=asked, headers={"x-request-id": "req_mine"})

    (entry, *_) = await found(http)

    (key,) = [one for one in await found(http, kind="accesskey") if one["after"]["name"] == "test"]
    assert entry == {
        "id": entry["id"],
        "tm": entry["tm"],
        "actor": "key:test",
        "identity": f"key:{key['object_id']}",
        "source": "rest",
        "address": "127.0.0.1",
        "request_id": "req_mine",
        "action": "updated",
        "kind": "extension",
        "object_id": made["id"],
        "customer_id": str(world.customer),
        "changes": {
            "name": {"old": "", "new": "Reception"},
            "password": {"old": "[REDACTED]", "new": "[REDACTED]"},
        },
        "before": entry["before"],
        "after": {**entry["before"], "name": "Reception", "tm_update": entry["tm"]},
    }
    assert entry["before"]["extension"] == "1001"


async def test_every_door_says_who_came_through_it(http: httpx.AsyncClient, world: World) -> None:
    await http.post("/v1.0/extensions", json={"extension": "1001"})
    await world.create("1002")
    await world.tell("customer_frozen")
    await world.tell("customer_recovered")

    entries = await found(http)

    assert [(entry["actor"], entry["source"]) for entry in entries] == [
        ("event:customer-manager", "event"),
        ("event:customer-manager", "event"),
        ("rpc:test", "rpc"),
        ("key:test", "rest"),
        ("key:test", "rest"),
        ("system", "system"),
    ]


async def test_pages_and_filters(http: httpx.AsyncClient, world: World) -> None:
    for number in range(5):
        await http.post("/v1.0/extensions", json={"extension": f"100{number}"})
    everything = await found(http)

    assert [entry["id"] for entry in everything] == sorted((entry["id"] for entry in everything), reverse=True)
    paged, token = [], ""
    while True:
        page = (await http.get(ROOT, params={"page_size": 3, "page_token": token})).json()
        paged += page["result"]
        token = page["next_page_token"]
        if not token:
            break
    assert paged == everything
    third = everything[2]
    for name in ("object_id", "kind", "actor", "action"):
        alike = [entry for entry in everything if entry[name] == third[name]]
        assert await found(http, **{name: third[name]}) == alike, name
    assert await found(http, **{"from": third["tm"]}) == everything[:3]
    assert await found(http, to=third["tm"]) == everything[3:]
    assert await found(http, **{"from": third["tm"], "to": everything[0]["tm"], "kind": "trunk"}) == []


async def test_a_customer_sees_their_own_and_the_platform_all(
    http: httpx.AsyncClient, operator: httpx.AsyncClient, world: World
) -> None:
    await world.create("1001")
    mine, world.customer = world.customer, uuid4()
    await world.create("2001")

    assert {entry["customer_id"] for entry in await found(http)} == {str(mine)}
    async with await client(world, "auditor", of_customer=False) as auditor:
        for who in (operator, auditor):
            assert {entry["customer_id"] for entry in await found(who)} == {str(mine), str(world.customer), None}
            assert {entry["customer_id"] for entry in await found(who, customer_id=mine)} == {str(mine)}
    assert (await http.get(ROOT, params={"customer_id": str(mine)})).status_code == 403


@pytest.mark.parametrize(
    ("role", "of_customer", "status"),
    [
        ("admin", True, 200), ("auditor", True, 200), ("manager", True, 403), ("viewer", True, 403),
        ("operator", False, 200), ("auditor", False, 200), ("viewer", False, 403),
    ],
)  # fmt: skip
async def test_who_may_read_it(world: World, role: str, of_customer: bool, status: int) -> None:
    async with await client(world, role, of_customer=of_customer) as who:
        assert (await who.get(ROOT)).status_code == status


async def test_every_fault_of_a_question_is_named(http: httpx.AsyncClient) -> None:
    wrong = {"from": "yesterday", "to": "0001-01-01T00:00:00+14:00", "object_id": "7", "kind": "", "who": "me"}
    answer = await http.get(ROOT, params={**wrong, "page_token": "x", "page_size": 0})

    assert answer.status_code == 400
    faulty = {fault["field"] for fault in answer.json()["error"]["details"]}
    assert faulty == {*wrong, "page_token", "page_size"}


async def test_what_is_refused_leaves_no_entry(
    world: World, http: httpx.AsyncClient, nobody: httpx.AsyncClient
) -> None:
    async with await client(world, "viewer") as viewer:
        before = world.sql("SELECT * FROM ringback_audit")
        for route in REST:
            if route.method == "GET" or "/router/" in route.pattern:
                continue
            path = re.sub("<[^>]*>", str(uuid4()), route.pattern)
            body = {"json": {"unknown": 1}} if "body" in route.about else {}
            for who in (viewer, nobody, http):
                answer = await who.request(route.method, path, **body)  # type: ignore[arg-type]
                done = answer.is_success and answer.json() != {"ended": 0}  # a key has no sessions
                assert (done, answer.is_server_error) == (False, False), (route.method, path, answer.text)

        assert world.sql("SELECT * FROM ringback_audit") == before
