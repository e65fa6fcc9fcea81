"""Trunks over REST: what is shown, made, changed, listed and deleted."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.world import PASSWORD, World

ROOT = "/v1.0/trunks"
KEYS = [
    "id", "customer_id", "name", "detail", "domain_name", "realm", "auth_types", "username", "password", "allowed_ips",
    "tm_create", "tm_update", "tm_delete",
]  # fmt: skip
NEW: dict[str, Any] = {
    "domain_name": "Carrier-A",
    "auth_types": ["basic", "ip"],
    "username": "pbx01",
    "password": PASSWORD,
    "allowed_ips": ["203.0.113.7", "2001:DB8::1/48"],
}


async def make(http: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await http.post(ROOT, json={**NEW, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def faulty(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 400, answer.text
    return sorted(detail["field"] for detail in answer.json()["error"]["details"])


@pytest.mark.contract("registrar R-72")
async def test_create_answers_201_with_the_place_the_keys_and_the_password(
    http: httpx.AsyncClient, world: World
) -> None:
    answer = await http.post(ROOT, json={**NEW, "name": "Carrier A"})

    made = answer.json()
    assert answer.status_code == 201
    assert list(made) == KEYS
    assert answer.headers["location"] == f"{ROOT}/{made['id']}"
    assert made == {
        **NEW,
        "id": made["id"],
        "customer_id": str(world.customer),
        "name": "Carrier A",
        "detail": "",
        "domain_name": "carrier-a",
        "realm": "carrier-a.trunk.localhost",
        "allowed_ips": ["203.0.113.7", "2001:db8::/48"],
        "tm_create": made["tm_create"],
        "tm_update": None,
        "tm_delete": None,
    }
    read = await http.get(answer.headers["location"])
    assert (list(read.json()), read.json()) == (KEYS, {**made, "password": ""})


@pytest.mark.contract("registrar R-72")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_put_and_patch_change_what_is_sent_and_nothing_else(http: httpx.AsyncClient, method: str) -> None:
    made = await make(http, name="Carrier A", detail="d")

    answer = await http.request(method, f"{ROOT}/{made['id']}", json={"name": "B", "detail": None, "username": None})

    changed = answer.json()
    assert (answer.status_code, list(changed)) == (200, KEYS)
    assert changed == {**made, "name": "B", "password": "", "tm_update": changed["tm_update"]}
    assert changed["tm_update"] is not None


@pytest.mark.contract("registrar R-72")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_the_answer_that_sets_a_password_is_the_only_one_with_it(http: httpx.AsyncClient, method: str) -> None:
    made = await make(http, password=None)
    place = f"{ROOT}/{made['id']}"

    own = await http.request(method, place, json={"password": "Another-Pass-2"})
    generated = await http.request(method, place, json={"username": "pbx02", "password_regenerate": True})
    same = await http.request(method, place, json={"username": "pbx02", "auth_types": ["basic"]})

    assert len(made["password"]) >= 20
    assert own.json()["password"] == "Another-Pass-2"
    assert len(generated.json()["password"]) >= 20
    assert (same.json()["password"], same.json()["auth_types"]) == ("", ["basic"])
    for path in (ROOT, place):
        assert "Another-Pass-2" not in (await http.get(path)).text


@pytest.mark.contract("registrar R-45")
async def test_what_is_sent_empty_is_cleared_if_the_trunk_is_right_without_it(http: httpx.AsyncClient) -> None:
    made = await make(http, name="n", detail="d")
    place = f"{ROOT}/{made['id']}"

    texts = (await http.patch(place, json={"name": "", "detail": ""})).json()
    refused = await http.patch(place, json={"username": "", "allowed_ips": []})
    by_digest = (await http.patch(place, json={"allowed_ips": [], "auth_types": ["basic"]})).json()
    by_address = await http.patch(
        place, json={"username": "", "auth_types": ["ip"], "allowed_ips": ["::ffff:10.0.0.1"]}
    )

    assert (texts["name"], texts["detail"]) == ("", "")
    assert faulty(refused) == ["allowed_ips", "username"]
    assert (by_digest["allowed_ips"], by_digest["username"]) == ([], "pbx01")
    assert (by_address.json()["username"], by_address.json()["allowed_ips"]) == ("", ["10.0.0.1"])


@pytest.mark.contract("registrar R-45, R-23")
async def test_a_change_that_the_rules_refuse_changes_nothing(http: httpx.AsyncClient, world: World) -> None:
    made = await make(http)
    before = world.everything()

    async def changed(**asked: Any) -> list[str]:
        return faulty(await http.patch(f"{ROOT}/{made['id']}", json={"name": "x", **asked}))

    assert await changed(username="pbx02") == ["password"]
    assert await changed(password="") == ["password"]
    assert await changed(password=PASSWORD, password_regenerate=True) == ["password_regenerate"]
    assert await changed(domain_name="carrier-b", colour="red") == ["colour", "domain_name"]
    assert await changed(auth_types=["basic", "ip", "tls"], allowed_ips=["x", "::/0"]) == [
        "allowed_ips[0]", "allowed_ips[1]", "auth_types[2]",
    ]  # fmt: skip
    assert world.everything() == before


@pytest.mark.contract("registrar R-44")
async def test_whatever_is_wrong_with_a_new_trunk_is_named_at_once(http: httpx.AsyncClient, world: World) -> None:
    wrong = {"domain_name": "a", "auth_types": ["ip"], "password": "", "username": "a b", "name": 7, "more": 1}

    answer = await http.post(ROOT, json=wrong)

    assert faulty(answer) == ["allowed_ips", "domain_name", "more", "name", "password", "username"]
    assert faulty(await http.post(ROOT, json={})) == ["auth_types", "domain_name"]
    assert world.sql("SELECT * FROM registrar_trunks") == []


@pytest.mark.contract("registrar R-43, R-74")
async def test_a_domain_name_that_another_customer_has_is_409(http: httpx.AsyncClient, world: World) -> None:
    async with await world.http(await world.key(uuid4())) as other:
        await make(other)

    again = await http.post(ROOT, json=NEW)

    error = again.json()["error"]
    assert (again.status_code, error["status"], error["reason"]) == (
        409, "ALREADY_EXISTS", "TRUNK_DOMAIN_ALREADY_EXISTS",
    )  # fmt: skip


async def test_more_trunks_than_the_limit_are_429(make_world: Any) -> None:
    world = make_world(limit_trunk_default=1)
    async with await world.http() as http:
        await make(http)
        answer = await http.post(ROOT, json={**NEW, "domain_name": "carrier-b"})

    error = answer.json()["error"]
    assert (answer.status_code, error["status"], error["reason"]) == (
        429, "RESOURCE_EXHAUSTED", "RESOURCE_LIMIT_EXCEEDED",
    )  # fmt: skip


@pytest.mark.contract("registrar R-72")
async def test_delete_answers_the_deleted_trunk(http: httpx.AsyncClient) -> None:
    made = await make(http)

    answer = await http.delete(f"{ROOT}/{made['id']}")

    gone = answer.json()
    assert answer.status_code == 200
    assert gone == {**made, "password": "", "tm_update": gone["tm_delete"], "tm_delete": gone["tm_delete"]}
    assert gone["tm_delete"] is not None
    for method in ("GET", "DELETE"):
        assert (await http.request(method, f"{ROOT}/{made['id']}")).status_code == 404
    (listed,) = (await http.get(ROOT, params={"deleted": "true"})).json()["result"]
    assert listed == gone
    assert (await http.get(ROOT)).json() == {"result": [], "next_page_token": ""}


async def test_a_change_is_for_the_state_that_if_match_names(http: httpx.AsyncClient) -> None:
    made = await make(http)
    place = f"{ROOT}/{made['id']}"
    tag = (await http.get(place)).headers["etag"]

    first = await http.patch(place, json={"name": "first"}, headers={"if-match": tag})
    second = await http.patch(place, json={"name": "second"}, headers={"if-match": tag})
    doomed = await http.delete(place, headers={"if-match": tag})
    known = await http.get(place, headers={"if-none-match": first.headers["etag"]})

    assert first.status_code == 200
    assert (second.status_code, second.json()["error"]["reason"]) == (412, "PRECONDITION_FAILED")
    assert doomed.status_code == 412
    assert known.status_code == 304
    assert (await http.get(place)).json()["name"] == "first"


@pytest.mark.contract("registrar R-74")
@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("PUT", {"name": "x"}), ("PATCH", {"username": ""}), ("DELETE", None)]
)
async def test_a_foreign_an_unknown_and_a_bad_id(http: httpx.AsyncClient, world: World, method: str, body: Any) -> None:
    made = await make(http)
    more = {} if body is None else {"json": body}
    before = world.everything()["registrar_trunks"]

    async with await world.http(await world.key(uuid4())) as other:
        foreign = await other.request(method, f"{ROOT}/{made['id']}", **more)
        matched = await other.request(method, f"{ROOT}/{made['id']}", headers={"if-match": '"x"'}, **more)
        assert (await other.get(ROOT)).json()["result"] == []
    unknown = await http.request(method, f"{ROOT}/{uuid4()}", **more)
    bad = await http.request(method, f"{ROOT}/carrier-a", **more)

    for answer in (foreign, matched, unknown):
        assert (answer.status_code, answer.json()["error"]["reason"]) == (404, "TRUNK_NOT_FOUND")
    assert (bad.status_code, bad.json()["error"]["reason"]) == (400, "INVALID_ID")
    assert bad.json()["error"]["details"] == [{"field": "trunk_id", "description": "must be a UUID"}]
    assert world.everything()["registrar_trunks"] == before


async def test_the_operator_names_the_customer(operator: httpx.AsyncClient, world: World) -> None:
    answer = await operator.post(ROOT, json=NEW, params={"customer_id": str(world.customer)})

    assert (answer.status_code, answer.json()["customer_id"]) == (201, str(world.customer))
    assert faulty(await operator.get(ROOT)) == ["customer_id"]


@pytest.mark.contract("registrar R-31")
async def test_tokens_are_stable_while_trunks_come_and_go(http: httpx.AsyncClient, world: World) -> None:
    ids = [(await make(http, domain_name=f"carrier-{number}"))["id"] for number in range(5)]

    async def page(token: str) -> tuple[list[int], str]:
        shown = (await http.get(ROOT, params={"page_size": 2, "page_token": token})).json()
        return [int(trunk["domain_name"][-1]) for trunk in shown["result"]], shown["next_page_token"]

    first, token = await page("")
    await make(http, domain_name="carrier-7")
    await http.delete(f"{ROOT}/{ids[3]}")
    second, token = await page(token)
    third, last = await page(token)
    newest = (await http.get(ROOT)).json()["result"][0]

    assert (first, second, third, last) == ([4, 3], [2, 1], [0], "")
    assert (await page(newest["tm_create"]))[0] == [4, 2]


async def test_filters_compare_exactly(http: httpx.AsyncClient) -> None:
    await make(http, name="A", username="u1")
    await make(http, domain_name="carrier-b", name="B", username="u2")

    async def found(**query: Any) -> list[str]:
        return [trunk["domain_name"] for trunk in (await http.get(ROOT, params=query)).json()["result"]]

    assert await found(name="A") == await found(username="u1") == await found(domain_name="carrier-a") == ["carrier-a"]
    assert await found(name="a") == await found(domain_name="Carrier-A") == await found(username="u%") == []
    assert await found(name="A", username="u2") == []
    assert faulty(await http.get(ROOT, params={"extension": "1001", "limit": "1", "deleted": "x"})) == [
        "deleted", "extension", "limit",
    ]  # fmt: skip
