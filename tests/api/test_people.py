"""People over REST: who may make whom, what their passwords must be, and what ends their sessions."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from ringback.customers import service as customers
from tests.world import PASSWORD, World, refusal

pytestmark = pytest.mark.long

ROOT = "/v1.0/people"
AUTH = "/v1.0/auth"


def faulty(answer: httpx.Response) -> list[str]:
    return [detail["field"] for detail in answer.json()["error"]["details"]]


async def make(http: httpx.AsyncClient, email: str = "pat@example.com", *roles: str, **more: Any) -> dict[str, Any]:
    params = more.pop("params", {})
    asked = {"email": email, "name": "Pat", "roles": roles or ("viewer",), "password": PASSWORD, **more}
    answer = await http.post(ROOT, json=asked, params=params)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def token(nobody: httpx.AsyncClient, email: str = "pat@example.com", password: str = PASSWORD) -> dict[str, str]:
    """The header of somebody who has signed in."""
    answer = await nobody.post(f"{AUTH}/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


async def test_a_person_is_made_shown_changed_and_deleted(http: httpx.AsyncClient, world: World) -> None:
    made = await make(http, "Pat@Example.COM", "manager")
    one = f"{ROOT}/{made['id']}"
    assert (made["email"], made["roles"], made["status"], made["password"]) == (
        "pat@example.com", ["manager"], "active", "",
    )  # fmt: skip
    assert made["customer_id"] == str(world.customer)

    shown = await http.get(one)
    assert shown.json() == made
    patched = await http.patch(
        one, json={"name": "Kim", "roles": ["viewer", "viewer"]}, headers={"if-match": shown.headers["etag"]}
    )
    assert (patched.json()["name"], patched.json()["roles"], patched.json()["tm_update"] is None) == (
        "Kim",
        ["viewer"],
        False,
    )
    assert (await http.patch(one, json={})).json() == patched.json()
    stale = await http.delete(one, headers={"if-match": shown.headers["etag"]})
    assert refusal(stale) == (412, "PRECONDITION_FAILED")
    assert (await http.delete(one)).json() == patched.json()
    assert refusal(await http.get(one)) == (404, "PERSON_NOT_FOUND")
    assert world.sql("SELECT id FROM customer_people") == []


async def test_a_password_that_was_made_is_shown_once(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    asked = {"email": "pat@example.com", "name": "Pat", "roles": ["viewer"]}
    first = (await http.post(ROOT, json=asked, headers={"idempotency-key": "p"})).json()
    again = (await http.post(ROOT, json=asked, headers={"idempotency-key": "p"})).json()

    assert len(first["password"]) == 24
    assert again == {**first, "password": ""}
    assert (await http.get(f"{ROOT}/{first['id']}")).json() == again
    await token(nobody, password=first["password"])


async def test_one_address_is_one_person_in_whatever_letter_case_and_whosever(
    http: httpx.AsyncClient, operator: httpx.AsyncClient, world: World
) -> None:
    await make(http)
    before = world.everything()
    asked = {"email": "PAT@example.com", "name": "x", "roles": ["viewer"], "password": PASSWORD}

    for client, query in ((http, {}), (operator, {}), (operator, {"customer_id": str(uuid4())})):
        assert refusal(await client.post(ROOT, json=asked, params=query)) == (409, "PERSON_ALREADY_EXISTS")
    assert world.everything() == before


async def test_every_faulty_field_is_named_and_nobody_is_made(http: httpx.AsyncClient, world: World) -> None:
    before = world.everything()
    answer = await http.post(ROOT, json={"email": "pat", "name": "\n", "roles": ["root"], "password": "short", "x": 1})
    assert (refusal(answer), faulty(answer)) == (
        (400, "VALIDATION_FAILED"), ["email", "name", "roles[0]", "password", "x"],
    )  # fmt: skip
    nobody = await http.post(ROOT, json={})
    assert faulty(nobody) == ["email", "name", "roles"]

    for field, value in (
        ("email", f"{'a' * 250}@example.com"), ("email", "a b@example.com"), ("email", "a@exam_ple"),
        ("email", "jos\u00e9@example.com"), ("roles", []), ("roles", ["operator"]), ("password", "x" * 9),
        ("password", "x" * 129), ("password", 1234567890), ("password", "PAT@example.com"), ("status", "active"),
    ):  # fmt: skip
        asked = {"email": "pat@example.com", "name": "Pat", "roles": ["viewer"], "password": PASSWORD, field: value}
        answer = await http.post(ROOT, json=asked)
        assert (refusal(answer), faulty(answer)) == ((400, "VALIDATION_FAILED"), [field]), (field, value)
        assert "PAT" not in str(answer.json()["error"] | {"request_id": ""})
    assert world.everything() == before


async def test_lists_are_of_ones_own_by_address_and_name(
    http: httpx.AsyncClient, operator: httpx.AsyncClient, world: World
) -> None:
    theirs = [await make(http, f"{name}@example.com", name=name) for name in ("ann", "bob", "cid")]
    own = await make(operator, "ops@example.com", "operator")
    of = {"customer_id": str(world.customer)}

    async def names(client: httpx.AsyncClient, **query: Any) -> list[str]:
        return [one["email"] for one in (await client.get(ROOT, params=query)).json()["result"]]

    assert await names(operator) == ["ops@example.com"]
    assert await names(http) == await names(operator, **of) == ["cid@example.com", "bob@example.com", "ann@example.com"]
    assert await names(http, email="BOB@example.com") == await names(http, name="bob") == ["bob@example.com"]
    first = (await http.get(ROOT, params={"page_size": 2})).json()
    assert await names(http, page_size=2, page_token=first["next_page_token"]) == ["ann@example.com"]
    for method in ("GET", "PATCH", "DELETE"):
        body: dict[str, Any] = {"json": {}} if method == "PATCH" else {}
        for client, id, query in ((http, own["id"], {}), (operator, theirs[0]["id"], {}), (operator, own["id"], of)):
            answer = await client.request(method, f"{ROOT}/{id}", params=query, **body)
            assert refusal(answer) == (404, "PERSON_NOT_FOUND")


async def test_a_deleted_customer_gets_nobody(operator: httpx.AsyncClient, world: World) -> None:
    await world.tell("customer_deleted")
    before = world.everything()
    asked = {"email": "late@acme.example", "name": "Late", "roles": ["admin"]}

    answer = await operator.post("/v1.0/people", params={"customer_id": str(world.customer)}, json=asked)

    assert refusal(answer) == (409, "CUSTOMER_DELETED")
    assert world.everything() == before


async def test_a_key_that_is_limited_makes_nobody(http: httpx.AsyncClient, world: World) -> None:
    made = await make(http)
    for limits in ({"scopes": ["access:manage"]}, {"source_cidrs": ["127.0.0.1"]}, {"expires_in_days": 9}):
        asked = {"name": "x", "roles": ["admin"], **limits}
        key = (await http.post("/v1.0/accesskeys", json=asked)).json()["key"]
        async with await world.http(key) as limited:
            before = world.everything()
            person = {"email": "x@example.com", "name": "x", "roles": ["viewer"]}
            assert refusal(await limited.post(ROOT, json=person)) == (403, "PERMISSION_DENIED")
            assert refusal(await limited.patch(f"{ROOT}/{made['id']}", json={"roles": ["admin"]}))[0] == 403
            assert world.everything() == before
            assert (await limited.get(ROOT)).status_code == 200


# ---- what they may do


async def test_a_person_may_do_what_their_roles_say_from_one_request_to_the_next(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient
) -> None:
    made = await make(http)
    signed_in = await token(nobody)
    asked = {"extension": "1001"}
    assert (await nobody.get("/v1.0/extensions", headers=signed_in)).status_code == 200
    assert refusal(await nobody.post("/v1.0/extensions", json=asked, headers=signed_in)) == (403, "PERMISSION_DENIED")
    assert refusal(await nobody.get(ROOT, headers=signed_in)) == (403, "PERMISSION_DENIED")

    await http.patch(f"{ROOT}/{made['id']}", json={"roles": ["admin"]})
    assert (await nobody.post("/v1.0/extensions", json=asked, headers=signed_in)).status_code == 201
    assert (await nobody.get(ROOT, headers=signed_in)).status_code == 200


async def test_a_person_of_the_platform_names_the_customer(
    operator: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World
) -> None:
    await make(operator, "ops@example.com", "operator")
    signed_in = await token(nobody, "ops@example.com")
    of = {"customer_id": str(world.customer)}

    assert (await nobody.get("/v1.0/extensions", headers=signed_in, params=of)).status_code == 200
    assert refusal(await nobody.get("/v1.0/extensions", headers=signed_in)) == (400, "VALIDATION_FAILED")


@pytest.mark.parametrize("change", [{"password": "Sample-Pass-0009"}, {"status": "disabled"}, None])
async def test_who_is_deleted_or_disabled_or_gets_a_password_is_signed_out_at_once(
    http: httpx.AsyncClient, nobody: httpx.AsyncClient, world: World, change: Any
) -> None:
    made = await make(http)
    answer = (await nobody.post(f"{AUTH}/login", json={"email": made["email"], "password": PASSWORD})).json()
    signed_in = {"authorization": f"Bearer {answer['access_token']}"}
    one = f"{ROOT}/{made['id']}"
    changed = await (http.patch(one, json=change) if change else http.delete(one))
    assert changed.status_code == 200

    assert refusal(await nobody.get("/v1.0/extensions", headers=signed_in)) == (401, "INVALID_CREDENTIALS")
    refreshed = await nobody.post(f"{AUTH}/refresh", json={"refresh_token": answer["refresh_token"]})
    assert refusal(refreshed) == (401, "INVALID_CREDENTIALS")
    assert world.sql("SELECT id FROM customer_sessions") == []
    said = {"email": made["email"], "password": PASSWORD}
    assert refusal(await nobody.post(f"{AUTH}/login", json=said)) == (401, "INVALID_CREDENTIALS")


async def test_all_people_of_a_customer_go_at_once(
    http: httpx.AsyncClient, operator: httpx.AsyncClient, world: World
) -> None:
    await make(http)
    await make(operator, "ops@example.com", "operator")

    await world.ringback.work.write(lambda uow: customers.end(uow, world.customer))

    assert [row["email"] for row in world.sql("SELECT email FROM customer_people")] == ["ops@example.com"]
