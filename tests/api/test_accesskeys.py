"""Access keys over REST: who may make which, what they may do, from where, until when."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from ringback.customers.keys import store
from ringback.customers.rights import RIGHTS, RUN, SCOPES, may, scope_of
from tests.patience import ENOUGH
from tests.world import MakeWorld, World, faulty, refusal

pytestmark = pytest.mark.long

ROOT = "/v1.0/accesskeys"
PHONES = "/v1.0/extensions"


async def make(http: httpx.AsyncClient, name: str = "door", *roles: str, **more: Any) -> dict[str, Any]:
    params = more.pop("params", {})
    answer = await http.post(ROOT, json={"name": name, "roles": roles or ("viewer",), **more}, params=params)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def of(world: World, customer: Any = None) -> dict[str, str]:
    return {"customer_id": str(customer or world.customer)}


async def ask(world: World, key: str, path: str = PHONES, address: str = "127.0.0.1", **more: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=world.ringback.gateway, client=(address, 4711))
    headers = {"authorization": f"Bearer {key}", **more.pop("headers", {})}
    async with httpx.AsyncClient(transport=transport, base_url="http://ringback", headers=headers) as client:
        return await client.request(more.pop("method", "GET"), path, **more)


async def test_a_key_is_shown_once_and_works(http: httpx.AsyncClient, world: World) -> None:
    answer = await http.post(ROOT, json={"name": "door", "roles": ["viewer"]})
    made = answer.json()
    assert answer.headers["location"] == f"{ROOT}/{made['id']}"
    assert (made["key"][:10], len(made["key"])) == (made["prefix"], 46)

    assert (await ask(world, made["key"])).status_code == 200
    shown = await http.get(f"{ROOT}/{made['id']}")
    assert shown.json() == {**made, "key": ""}
    assert shown.headers["etag"] == answer.headers["etag"]
    assert made["key"] not in (await http.get(ROOT)).text
    kept = b"".join(path.read_bytes() for path in world.home.glob("ringback.db*"))
    assert made["key"].encode() not in kept


async def test_a_repeated_request_makes_one_key_and_does_not_show_it_again(http: httpx.AsyncClient) -> None:
    asked: dict[str, Any] = {"json": {"name": "door", "roles": ["viewer"]}, "headers": {"idempotency-key": "k1"}}
    first, again = await http.post(ROOT, **asked), await http.post(ROOT, **asked)

    assert again.json() == {**first.json(), "key": ""}
    assert again.headers["idempotent-replay"] == "true"
    assert len((await http.get(ROOT, params={"name": "door"})).json()["result"]) == 1


async def test_a_revoked_key_stays_in_the_list_and_opens_nothing(http: httpx.AsyncClient, world: World) -> None:
    made = await make(http)
    one = f"{ROOT}/{made['id']}"
    assert refusal(await http.delete(one, headers={"if-match": '"other"'})) == (412, "PRECONDITION_FAILED")
    ended = await http.delete(one)

    assert (ended.json()["state"], ended.json()["tm_revoke"] is None) == ("revoked", False)
    assert refusal(await ask(world, made["key"])) == (401, "INVALID_CREDENTIALS")
    assert (await http.delete(one)).json() == ended.json()
    assert (await http.get(one)).json() == ended.json()


async def test_lists_are_by_prefix_name_and_state_newest_first_in_pages(http: httpx.AsyncClient, world: World) -> None:
    made = [await make(http, name) for name in ("one", "two", "three")]
    await http.delete(f"{ROOT}/{made[0]['id']}")
    world.sql("UPDATE registrar_accesskeys SET tm_expire = '2026-01-01 00:00:00.000000' WHERE name = 'two'")

    async def names(**query: Any) -> list[str]:
        return [key["name"] for key in (await http.get(ROOT, params=query)).json()["result"]]

    assert await names() == ["three", "two", "one", "test"]
    assert await names(state="revoked") == ["one"]
    assert await names(state="expired") == ["two"]
    assert await names(state="working") == ["three", "test"]
    assert await names(name="two") == ["two"]
    assert await names(prefix=made[2]["prefix"]) == ["three"]
    assert await names(prefix=made[2]["prefix"], state="revoked") == []
    first = (await http.get(ROOT, params={"page_size": 3})).json()
    assert await names(page_size=3, page_token=first["next_page_token"]) == ["test"]


async def test_the_operator_has_the_platforms_keys_and_each_customers(
    operator: httpx.AsyncClient, http: httpx.AsyncClient, world: World
) -> None:
    own = await make(operator, "night watch", "auditor")
    theirs = await make(operator, "door", "admin", params=of(world))

    assert (own["customer_id"], theirs["customer_id"]) == (None, str(world.customer))
    names = [key["name"] for key in (await operator.get(ROOT)).json()["result"]]
    assert ("night watch" in names, "door" in names) == (True, False)
    assert refusal(await operator.get(f"{ROOT}/{theirs['id']}")) == (404, "ACCESSKEY_NOT_FOUND")
    assert (await operator.get(f"{ROOT}/{theirs['id']}", params=of(world))).status_code == 200
    for method in ("GET", "DELETE"):
        for id in (own["id"], str(uuid4())):
            assert refusal(await http.request(method, f"{ROOT}/{id}")) == (404, "ACCESSKEY_NOT_FOUND")


@pytest.mark.parametrize("role", ["viewer", "manager", "auditor"])
async def test_only_admins_and_the_operator_see_or_make_keys(http: httpx.AsyncClient, world: World, role: str) -> None:
    weak = await make(http, role, role)
    before = world.everything()

    for method, path in (
        ("GET", ROOT),
        ("POST", ROOT),
        ("GET", f"{ROOT}/{weak['id']}"),
        ("DELETE", f"{ROOT}/{weak['id']}"),
    ):
        assert refusal(await ask(world, weak["key"], path, method=method)) == (403, "PERMISSION_DENIED")
    assert world.everything() == before


async def test_nobody_gives_a_role_that_is_not_theirs_to_give(
    http: httpx.AsyncClient, operator: httpx.AsyncClient, world: World
) -> None:
    before = world.everything()

    for client, role, query in (
        (http, "operator", {}), (operator, "admin", {}), (operator, "manager", {}), (operator, "operator", of(world)),
    ):  # fmt: skip
        refused = await client.post(ROOT, json={"name": "x", "roles": [role]}, params=query)
        assert (refusal(refused), faulty(refused)) == ((400, "VALIDATION_FAILED"), ["roles"])
    assert refusal(await http.post(ROOT, json={"name": "x", "roles": ["viewer"]}, params=of(world, uuid4()))) == (
        403,
        "PERMISSION_DENIED",
    )
    assert world.everything() == before


async def test_a_deleted_customer_gets_no_key(operator: httpx.AsyncClient, world: World) -> None:
    await world.tell("customer_deleted")
    before = world.everything()

    answer = await operator.post(f"{ROOT}?customer_id={world.customer}", json={"name": "late", "roles": ["admin"]})

    assert refusal(answer) == (409, "CUSTOMER_DELETED")
    assert world.everything() == before


async def test_every_faulty_field_is_named_and_no_key_is_made(http: httpx.AsyncClient, world: World) -> None:
    before = world.everything()
    wrong = {
        "name": "", "roles": ["root"], "scopes": ["phones:eat"], "source_cidrs": ["10.0.0.0/8", "here"],
        "expires_in_days": 0, "customer_id": str(world.customer), "key": "rb_mine",
    }  # fmt: skip

    answer = await http.post(ROOT, json=wrong)

    assert refusal(answer) == (400, "VALIDATION_FAILED")
    assert faulty(answer) == [
        "name", "roles[0]", "scopes[0]", "source_cidrs[1]", "expires_in_days", "customer_id", "key",
    ]  # fmt: skip
    nothing: list[dict[str, Any]] = [
        {}, {"roles": []}, {"roles": [], "scopes": ["phones:read"]}, {"scopes": []}, {"source_cidrs": []},
    ]  # fmt: skip
    for none in nothing:
        assert refusal(await http.post(ROOT, json={"name": "x", **none}))[0] == 400, none
    assert world.everything() == before


# ---- what a key is held to


async def test_a_key_with_scopes_does_only_what_they_and_its_roles_allow(http: httpx.AsyncClient, world: World) -> None:
    reader = await make(http, "reader", "manager", scopes=["phones:read"])
    none = await make(http, "none", "viewer", scopes=["phones:write"])

    assert (await ask(world, reader["key"])).status_code == 200
    asked: dict[str, Any] = {"method": "POST", "json": {"extension": "1001"}}
    for key in (reader, none):
        assert refusal(await ask(world, key["key"], **asked)) == (403, "PERMISSION_DENIED")
    assert refusal(await ask(world, none["key"])) == (403, "PERMISSION_DENIED")


@pytest.mark.contract("router R-11b")
async def test_a_key_for_pipelines_needs_no_role_and_does_nothing_else(http: httpx.AsyncClient, world: World) -> None:
    answer = await http.post(ROOT, json={"name": "bot", "scopes": [RUN]})
    assert (answer.status_code, answer.json()["roles"], answer.json()["scopes"]) == (201, [], ["pipeline:run"])

    assert refusal(await ask(world, answer.json()["key"])) == (403, "PERMISSION_DENIED")
    assert [right for right in RIGHTS if may(set(), right, {RUN})] == ["run a pipeline", "know oneself"]
    assert not may({"viewer"}, "run a pipeline")
    assert may({"admin"}, "run a pipeline")


def test_each_right_has_a_scope_of_its_own() -> None:
    assert {scope_of(right) for right in RIGHTS} - SCOPES == {"oneself:know"}
    assert len(SCOPES) == len(RIGHTS) - 1


@pytest.mark.parametrize(
    ("limits", "wider", "field"),
    [
        ({"scopes": ["access:manage", "phones:read"]}, {}, "scopes"),
        ({"scopes": ["access:manage", "phones:read"]}, {"scopes": ["phones:read", "phones:write"]}, "scopes"),
        ({"source_cidrs": ["127.0.0.0/8"]}, {}, "source_cidrs"),
        ({"source_cidrs": ["127.0.0.0/8"]}, {"source_cidrs": ["127.0.0.1", "203.0.113.7"]}, "source_cidrs"),
        ({"source_cidrs": ["127.0.0.0/8"]}, {"source_cidrs": ["126.0.0.0/7"]}, "source_cidrs"),
        ({"expires_in_days": 2}, {}, "expires_in_days"),
        ({"expires_in_days": 2}, {"expires_in_days": 3}, "expires_in_days"),
    ],
)
async def test_a_limited_key_makes_none_that_is_less_limited(
    http: httpx.AsyncClient, world: World, limits: dict[str, Any], wider: dict[str, Any], field: str
) -> None:
    key = (await make(http, "admin", "admin", **limits))["key"]
    before = world.everything()
    refused = await ask(world, key, ROOT, method="POST", json={"name": "x", "roles": ["viewer"], **wider})

    assert (refusal(refused), faulty(refused)) == ((403, "PERMISSION_DENIED"), [field])
    assert world.everything() == before
    narrow = {"scopes": ["phones:read"], "source_cidrs": ["127.0.0.1"], "expires_in_days": 1}
    made = await ask(world, key, ROOT, method="POST", json={"name": "x", "roles": ["viewer"], **narrow})
    assert made.status_code == 201, made.text


async def test_a_key_works_from_its_own_networks_alone(http: httpx.AsyncClient, world: World) -> None:
    key = (await make(http, source_cidrs=["203.0.113.7", "198.51.100.9/24", "2001:db8::/48"]))["key"]

    for address in ("203.0.113.7", "198.51.100.77", "2001:db8::1", "::ffff:203.0.113.7"):
        assert (await ask(world, key, address=address)).status_code == 200, address
    for address in ("203.0.113.8", "198.51.101.1", "2001:db9::1", "127.0.0.1", "", "here"):
        assert refusal(await ask(world, key, address=address)) == (403, "SOURCE_NOT_ALLOWED"), address
    forged = {"x-forwarded-for": "203.0.113.7", "forwarded": "for=203.0.113.7", "x-real-ip": "203.0.113.7"}
    assert refusal(await ask(world, key, headers=forged)) == (403, "SOURCE_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("said", "fine"),
    [
        ("203.0.113.7", True), ("198.51.100.1, 203.0.113.7", True), ("203.0.113.7, 10.0.0.2", True),
        ("203.0.113.7, 198.51.100.1", False), ("203.0.113.7, 198.51.100.1, 10.0.0.2", False), ("10.0.0.3", False),
        ("203.0.113.7, x", False), ("", False),
    ],
)  # fmt: skip
async def test_behind_proxies_the_last_address_that_is_none_of_theirs_counts(
    make_world: MakeWorld, said: str, fine: bool
) -> None:
    world = make_world(trusted_proxies="10.0.0.0/8, 192.0.2.1")
    async with await world.http() as http:
        key = (await make(http, source_cidrs=["203.0.113.7"]))["key"]

    answer = await ask(world, key, address="10.1.2.3", headers={"x-forwarded-for": said})

    assert (answer.status_code == 200) == fine, answer.text
    direct = await ask(world, key, address="192.0.2.2", headers={"x-forwarded-for": said})
    assert refusal(direct) == (403, "SOURCE_NOT_ALLOWED")


# ---- last use


@pytest.fixture
async def used(world: World, http: httpx.AsyncClient) -> Callable[[], Any]:
    made = await make(http)
    world.frozen = True

    async def use() -> Any:
        await ask(world, made["key"])
        await world.ringback.uses.write()
        (row,) = world.sql("SELECT tm_last_use FROM registrar_accesskeys WHERE name = 'door'")
        return row["tm_last_use"]

    return use


async def test_the_last_use_is_known_to_the_minute_and_written_beside_the_requests(
    world: World, http: httpx.AsyncClient, used: Callable[[], Any]
) -> None:
    first = await used()
    world.wait(59)
    assert await used() == first
    world.wait(1)
    assert await used() != first

    (key,) = (await http.get(ROOT, params={"name": "door"})).json()["result"]
    assert key["tm_last_use"] == world.now.isoformat().replace("+00:00", "Z")
    before = len(world.statements)
    await http.get(ROOT)
    assert store.USED not in world.statements[before:]


async def test_of_two_processes_each_minute_one_writes_and_none_is_lost_while_the_database_is_away(
    world: World, http: httpx.AsyncClient
) -> None:
    made = await make(http)
    world.frozen = True
    other = world.start()
    await ask(world, made["key"])
    world.fail_at(0)
    await world.ringback.uses.write()
    (row,) = world.sql("SELECT tm_last_use FROM registrar_accesskeys WHERE name = 'door'")
    assert row["tm_last_use"] is None

    await world.ringback.uses.write()
    (first,) = world.sql("SELECT tm_last_use FROM registrar_accesskeys WHERE name = 'door'")
    assert first["tm_last_use"] is not None
    world.wait(30)
    async with asyncio.timeout(ENOUGH):
        transport = httpx.ASGITransport(app=other.gateway)
        async with httpx.AsyncClient(transport=transport, base_url="http://ringback") as client:
            await client.get(PHONES, headers={"authorization": f"Bearer {made['key']}"})
        await other.uses.write()
    assert world.sql("SELECT tm_last_use FROM registrar_accesskeys WHERE name = 'door'") == [first]


async def test_a_key_ends_when_its_days_are_over(http: httpx.AsyncClient, world: World) -> None:
    world.frozen = True
    made = await make(http, expires_in_days=2)
    assert made["tm_expire"] == (world.now + timedelta(days=2)).isoformat().replace("+00:00", "Z")
    world.wait(2 * 86400)

    assert refusal(await ask(world, made["key"])) == (401, "INVALID_CREDENTIALS")
    assert (await http.get(f"{ROOT}/{made['id']}")).json()["state"] == "expired"
