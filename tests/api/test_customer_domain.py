"""The domain of a customer's phones over REST."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from ringback.registrar.realms.model import Status
from tests.world import PASSWORD, MakeWorld, World, faulty, refusal

ROOT = "/v1.0/customer_domain"
SOMEBODY = "3f6c1c9e-5a0b-4b7e-9c1d-2a4e8f60b713"
KEYS = ["customer_id", "domain_label", "realm", "tm_create", "tm_update"]


async def put(http: httpx.AsyncClient, label: object, **more: Any) -> httpx.Response:
    return await http.put(ROOT, json={"domain_label": label}, **more)


@pytest.mark.contract("registrar R-54")
async def test_there_is_no_domain_before_the_first_extension_or_choice(http: httpx.AsyncClient, world: World) -> None:
    assert refusal(await http.get(ROOT)) == (404, "CUSTOMER_DOMAIN_NOT_FOUND")

    await http.post("/v1.0/extensions", json={"extension": "1001"})

    found = await http.get(ROOT)
    assert found.status_code == 200
    assert found.json() == {
        "customer_id": str(world.customer),
        "domain_label": str(world.customer),
        "realm": f"{world.customer}.registrar.localhost",
        "tm_create": found.json()["tm_create"],
        "tm_update": None,
    }
    assert list(found.json()) == KEYS


@pytest.mark.contract("registrar R-55")
async def test_a_label_is_chosen_changed_and_used_by_the_next_extension(http: httpx.AsyncClient) -> None:
    first = await put(http, "acme")
    second = await put(http, "acme-2")
    made = await http.post("/v1.0/extensions", json={"extension": "1001"})

    assert (first.status_code, second.status_code) == (200, 200)
    assert list(first.json()) == KEYS
    assert (first.json()["realm"], first.json()["tm_update"]) == ("acme.registrar.localhost", None)
    assert second.json()["tm_create"] == first.json()["tm_create"]
    assert second.json()["tm_update"] > first.json()["tm_create"]
    assert second.json() == (await http.get(ROOT)).json()
    assert made.json()["realm"] == "acme-2.registrar.localhost"


@pytest.mark.contract("registrar R-55")
async def test_the_same_label_again_changes_nothing_even_with_extensions(http: httpx.AsyncClient, world: World) -> None:
    await put(http, "acme")
    await world.create()
    before = world.everything()

    again = await put(http, "acme")

    assert (again.status_code, again.json()["tm_update"]) == (200, None)
    assert world.everything() == before


@pytest.mark.contract("registrar R-55")
async def test_a_label_with_extensions_under_it_stays(http: httpx.AsyncClient, world: World) -> None:
    made = await world.create()
    before = world.everything()

    assert refusal(await put(http, "acme")) == (409, "DOMAIN_LABEL_IN_USE")

    assert world.everything() == before
    await world.rpc("DELETE", f"/v1/extensions/{made['id']}")
    assert (await put(http, "acme")).status_code == 200


@pytest.mark.contract("registrar R-55")
async def test_clear_passwords_move_with_the_label(make_world: MakeWorld) -> None:
    world = make_world(secret_storage="plaintext")
    made = await world.create()
    async with await world.http() as http:
        changed = await put(http, "acme")
        shown = (await http.get(f"/v1.0/extensions/{made['id']}")).json()

    assert (changed.status_code, PASSWORD in changed.text) == (200, False)
    assert (shown["realm"], shown["password"]) == ("acme.registrar.localhost", "")
    assert world.sql("SELECT password FROM ps_auths") == [{"password": PASSWORD}]


@pytest.mark.contract("registrar R-55")
async def test_a_label_of_somebody_else_is_a_409_that_names_the_field(http: httpx.AsyncClient, world: World) -> None:
    mine, world.customer = world.customer, uuid4()
    await world.label("acme")
    world.customer = mine

    answer = await put(http, "acme")

    assert refusal(answer) == (409, "DOMAIN_LABEL_ALREADY_EXISTS")
    assert answer.json()["error"]["details"] == [{"field": "domain_label", "description": "is taken"}]


@pytest.mark.contract("registrar R-55")
@pytest.mark.parametrize(
    "label",
    [
        None, "", "a", "a" * 64, "Acme", "a.b", "-ab", "ab-", "ab\n", "www", "direct", 7, True, ["acme"],
        SOMEBODY, SOMEBODY.replace("-", ""),
    ],
    ids=str,
)  # fmt: skip
async def test_a_label_that_may_not_be_is_a_400_that_names_the_field(
    http: httpx.AsyncClient, world: World, label: object
) -> None:
    before = world.everything()

    answer = await put(http, label)

    assert refusal(answer) == (400, "VALIDATION_FAILED")
    assert faulty(answer) == ["domain_label"]
    assert world.everything() == before


@pytest.mark.contract("registrar R-55")
async def test_the_own_id_is_a_label(http: httpx.AsyncClient, world: World) -> None:
    await put(http, "acme")

    assert (await put(http, str(world.customer))).json()["domain_label"] == str(world.customer)


@pytest.mark.parametrize(
    ("body", "fields"), [({}, ["domain_label"]), ({"domain_label": "A", "realm": "x"}, ["domain_label", "realm"])]
)
async def test_what_is_missing_or_unknown_is_named(
    http: httpx.AsyncClient, world: World, body: dict[str, str], fields: list[str]
) -> None:
    answer = await http.put(ROOT, json=body)

    assert (refusal(answer), faulty(answer)) == ((400, "VALIDATION_FAILED"), fields)
    assert world.sql("SELECT * FROM registrar_customer_domains") == []


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_it_is_read_and_put_and_nothing_else(http: httpx.AsyncClient, method: str) -> None:
    answer = await http.request(method, ROOT, json={})

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, PUT")


# ---- entity tags


async def test_a_change_goes_through_only_on_the_state_that_was_seen(http: httpx.AsyncClient) -> None:
    first = await put(http, "first")
    seen = (await http.get(ROOT)).headers["etag"]
    second = await put(http, "second", headers={"if-match": seen})

    late = await put(http, "third", headers={"if-match": seen})

    assert first.headers["etag"] == seen
    assert second.status_code == 200
    assert refusal(late) == (412, "PRECONDITION_FAILED")
    assert (await http.get(ROOT)).json() == second.json()
    assert (await put(http, "third", headers={"if-match": f'"x", {second.headers["etag"]}'})).status_code == 200
    assert (await put(http, "fourth", headers={"if-match": "*"})).status_code == 200


@pytest.mark.parametrize("tag", ["*", '"0123456789abcdef0123456789abcdef"'])
async def test_before_there_is_one_no_tag_matches(http: httpx.AsyncClient, world: World, tag: str) -> None:
    before = world.everything()

    assert refusal(await put(http, "acme", headers={"if-match": tag})) == (412, "PRECONDITION_FAILED")

    assert world.everything() == before


async def test_what_is_known_is_not_sent_again(http: httpx.AsyncClient) -> None:
    tag = (await put(http, "acme")).headers["etag"]

    same = await http.get(ROOT, headers={"if-none-match": tag})
    await put(http, "other")
    changed = await http.get(ROOT, headers={"if-none-match": tag})

    assert (same.status_code, same.content) == (304, b"")
    assert (changed.status_code, changed.json()["domain_label"]) == (200, "other")


# ---- who may


@pytest.mark.contract("registrar R-68, R-74")
async def test_a_frozen_customer_is_a_403_until_they_recover(http: httpx.AsyncClient, world: World) -> None:
    await put(http, "acme")
    await world.tell("customer_frozen")

    frozen = [await http.get(ROOT), await put(http, "other")]
    await world.tell("customer_recovered")

    assert [refusal(answer) for answer in frozen] == [(403, "ACCOUNT_FROZEN")] * 2
    assert (await http.get(ROOT)).json()["domain_label"] == "acme"


async def test_without_a_key_there_is_nothing_to_see(nobody: httpx.AsyncClient) -> None:
    assert refusal(await nobody.get(ROOT)) == (401, "AUTHENTICATION_REQUIRED")
    assert refusal(await put(nobody, "acme")) == (401, "AUTHENTICATION_REQUIRED")


async def test_each_customer_has_their_own(http: httpx.AsyncClient, world: World) -> None:
    await put(http, "acme")
    world.customer = uuid4()

    async with await world.http() as other:
        assert refusal(await other.get(ROOT)) == (404, "CUSTOMER_DOMAIN_NOT_FOUND")
        named = await other.get(ROOT, params={"customer_id": str(uuid4())})

    assert refusal(named) == (403, "PERMISSION_DENIED")


@pytest.mark.contract("registrar R-55, R-74")
async def test_the_operator_does_it_for_any_customer_whom_they_name(
    operator: httpx.AsyncClient, http: httpx.AsyncClient, world: World
) -> None:
    of = {"customer_id": str(world.customer)}

    unnamed = await operator.get(ROOT)
    chosen = await put(operator, "acme", params=of)
    await world.set_status(Status.FROZEN)
    frozen = [await operator.get(ROOT, params=of), await put(operator, "other", params=of)]

    assert (refusal(unnamed), faulty(unnamed)) == ((400, "VALIDATION_FAILED"), ["customer_id"])
    assert chosen.json()["customer_id"] == str(world.customer)
    assert [answer.json()["domain_label"] for answer in frozen] == ["acme", "other"]
    for wrong in ("x", "", "00000000-0000-0000-0000-000000000000"):
        assert faulty(await operator.get(ROOT, params={"customer_id": wrong})) == ["customer_id"]


@pytest.mark.contract("registrar R-67, R-74")
async def test_a_deleted_customer_has_no_domain_and_gets_none(
    operator: httpx.AsyncClient, http: httpx.AsyncClient, world: World
) -> None:
    await put(http, "acme")
    await world.tell("customer_deleted")
    of = {"customer_id": str(world.customer)}

    assert refusal(await http.get(ROOT)) == (401, "INVALID_CREDENTIALS")
    assert refusal(await operator.get(ROOT, params=of)) == (404, "CUSTOMER_DOMAIN_NOT_FOUND")
    assert refusal(await put(operator, "acme", params=of)) == (409, "CUSTOMER_DELETED")
    assert world.sql("SELECT * FROM registrar_customer_domains") == []
