"""Extensions over REST: what is shown, made, changed and deleted."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from ringback.customers.keys import store as keys
from ringback.registrar.extensions import store
from tests.world import PASSWORD, MakeWorld, World, refusal

ROOT = "/v1.0/extensions"
KEYS = [
    "id", "customer_id", "name", "detail", "extension", "domain_name", "realm", "username", "password", "direct_hash",
    "direct_uri", "tm_create", "tm_update", "tm_delete",
]  # fmt: skip


async def make(http: httpx.AsyncClient, number: str = "1001", **more: Any) -> dict[str, Any]:
    answer = await http.post(ROOT, json={"extension": number, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.mark.contract("registrar R-72")
async def test_create_answers_201_with_the_place_the_keys_and_the_password(
    http: httpx.AsyncClient, world: World
) -> None:
    answer = await http.post(ROOT, json={"extension": "1001", "name": "Front desk", "password": PASSWORD})

    made = answer.json()
    assert answer.status_code == 201
    assert list(made) == KEYS
    assert answer.headers["location"] == f"{ROOT}/{made['id']}"
    assert made["password"] == PASSWORD
    assert (made["customer_id"], made["domain_name"]) == (str(world.customer), str(world.customer))
    assert (made["direct_hash"], made["direct_uri"], made["tm_update"], made["tm_delete"]) == ("", "", None, None)
    assert made["tm_create"].endswith("Z")


@pytest.mark.contract("registrar R-72")
async def test_what_location_names_can_be_read_and_shows_no_password(http: httpx.AsyncClient) -> None:
    created = await http.post(ROOT, json={"extension": "1001"})

    read = await http.get(created.headers["location"])

    assert len(created.json()["password"]) >= 20
    assert read.json() == {**created.json(), "password": ""}
    assert list(read.json()) == KEYS


@pytest.mark.contract("registrar R-72")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_put_and_patch_change_what_is_sent_and_nothing_else(http: httpx.AsyncClient, method: str) -> None:
    made = await make(http, name="Front desk", detail="ground floor", direct=True)

    answer = await http.request(method, f"{ROOT}/{made['id']}", json={"name": "Reception", "detail": None})

    changed = answer.json()
    assert answer.status_code == 200
    assert list(changed) == KEYS
    assert changed == {**made, "name": "Reception", "password": "", "tm_update": changed["tm_update"]}
    assert changed["tm_update"] is not None


@pytest.mark.contract("registrar R-72")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_the_answer_that_sets_a_password_is_the_only_one_with_it(http: httpx.AsyncClient, method: str) -> None:
    made = await make(http)

    own = await http.request(method, f"{ROOT}/{made['id']}", json={"password": "Another-Pass-2"})
    generated = await http.request(method, f"{ROOT}/{made['id']}", json={"password_regenerate": True})
    same = await http.request(method, f"{ROOT}/{made['id']}", json={"name": "new"})

    assert own.json()["password"] == "Another-Pass-2"
    assert len(generated.json()["password"]) >= 20
    assert same.json()["password"] == ""


async def test_no_get_shows_a_secret(http: httpx.AsyncClient, world: World) -> None:
    made = await make(http, password=PASSWORD)
    world.register(f"1001@{made['realm']}")
    kept = world.sql("SELECT ha1, ha1_sha256 FROM registrar_extensions")[0]

    for path in (ROOT, f"{ROOT}/{made['id']}", f"{ROOT}/{made['id']}/contacts", "/", "/openapi.json", "/ready"):
        shown = (await http.get(path)).text
        assert not [secret for secret in (PASSWORD, *kept.values()) if secret in shown], path


@pytest.mark.contract("registrar R-72")
async def test_delete_answers_the_deleted_extension(http: httpx.AsyncClient) -> None:
    made = await make(http, direct=True)

    answer = await http.delete(f"{ROOT}/{made['id']}")

    gone = answer.json()
    assert answer.status_code == 200
    assert (gone["id"], gone["direct_hash"], gone["password"]) == (made["id"], "", "")
    assert gone["tm_delete"] is not None
    assert (await http.get(f"{ROOT}/{made['id']}")).status_code == 404
    assert (await http.delete(f"{ROOT}/{made['id']}")).status_code == 404


async def test_a_number_that_is_taken_is_409(http: httpx.AsyncClient) -> None:
    await make(http, "1001a")

    again = await http.post(ROOT, json={"extension": "1001A"})

    assert (again.status_code, again.json()["error"]["status"]) == (409, "ALREADY_EXISTS")
    assert again.json()["error"]["reason"] == "EXTENSION_ALREADY_EXISTS"


@pytest.mark.contract("registrar R-23")
async def test_an_empty_password_is_400_and_changes_nothing(http: httpx.AsyncClient, world: World) -> None:
    made = await make(http)
    before = world.everything()

    created = await http.post(ROOT, json={"extension": "1002", "password": ""})
    changed = await http.patch(f"{ROOT}/{made['id']}", json={"name": "n", "password": "", "direct": True})

    for answer in (created, changed):
        error = answer.json()["error"]
        assert (answer.status_code, error["reason"]) == (400, "VALIDATION_FAILED")
        assert [detail["field"] for detail in error["details"]] == ["password"]
    assert world.everything() == before


async def test_the_direct_address_is_shown_bare_and_as_a_uri(http: httpx.AsyncClient) -> None:
    made = await make(http, direct=True)

    assert len(made["direct_hash"]) == 12
    assert made["direct_uri"].startswith(f"sip:direct.{made['direct_hash']}@sip.")


async def test_a_regenerated_direct_address_is_a_new_one(http: httpx.AsyncClient) -> None:
    made = await make(http, direct=True)

    answer = await http.post(f"{ROOT}/{made['id']}/direct-hash-regenerate")

    assert answer.status_code == 200
    assert answer.json()["direct_hash"] not in ("", made["direct_hash"])


async def test_direct_flags_that_contradict_and_an_address_that_is_not_there(http: httpx.AsyncClient) -> None:
    one = f"{ROOT}/{(await make(http))['id']}"

    conflict = await http.patch(one, json={"direct": False, "direct_regenerate": True})
    absent = await http.post(f"{one}/direct-hash-regenerate")

    assert (conflict.status_code, conflict.json()["error"]["reason"]) == (400, "DIRECT_FLAGS_CONFLICT")
    assert (absent.status_code, absent.json()["error"]["reason"]) == (409, "DIRECT_NOT_ENABLED")


@pytest.mark.contract("registrar R-50")
async def test_contacts_show_the_plain_uri_and_when_it_was_so(http: httpx.AsyncClient, world: World) -> None:
    made = await make(http)
    world.register(f"1001@{made['realm']}", uri="sip:1001@192.0.2.44:5062^3Btransport=tcp^3Bob")

    shown = (await http.get(f"{ROOT}/{made['id']}/contacts")).json()

    assert list(shown) == ["result", "next_page_token", "registered", "as_of"]
    assert (shown["next_page_token"], shown["registered"]) == ("", True)
    assert shown["as_of"].endswith("Z")
    (contact,) = shown["result"]
    assert list(contact) == [
        "id", "uri", "transport", "user_agent", "via_addr", "via_port", "path", "reg_server", "call_id", "expire_time",
        "expires_in",
    ]  # fmt: skip
    assert (contact["uri"], contact["transport"]) == ("sip:1001@192.0.2.44:5062;transport=tcp;ob", "tcp")
    assert len(contact["id"]) == 32
    assert 0 < contact["expires_in"] <= 600


async def test_a_phone_that_is_not_there_is_not_registered(http: httpx.AsyncClient, world: World) -> None:
    made = await make(http)
    world.register(f"1001@{made['realm']}", expires_in=-1)

    shown = (await http.get(f"{ROOT}/{made['id']}/contacts")).json()

    assert (shown["result"], shown["registered"]) == ([], False)


@pytest.mark.contract("registrar R-39")
async def test_the_address_of_a_deleted_extension_is_shown_nowhere(http: httpx.AsyncClient) -> None:
    made = await make(http, direct=True)
    await http.delete(f"{ROOT}/{made['id']}")

    (gone,) = (await http.get(ROOT, params={"deleted": "true"})).json()["result"]

    assert (gone["id"], gone["direct_hash"], gone["direct_uri"]) == (made["id"], "", "")


@pytest.mark.contract("registrar R-74")
@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", ""),
        ("PUT", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/contacts"),
        ("POST", "/direct-hash-regenerate"),
    ],
)
async def test_an_unknown_id_and_a_bad_one(http: httpx.AsyncClient, method: str, rest: str) -> None:
    unknown = await http.request(method, f"{ROOT}/{uuid4()}{rest}")
    bad = await http.request(method, f"{ROOT}/1001{rest}")

    assert (unknown.status_code, unknown.json()["error"]["reason"]) == (404, "EXTENSION_NOT_FOUND")
    assert (bad.status_code, bad.json()["error"]["reason"]) == (400, "INVALID_ID")
    assert bad.json()["error"]["details"] == [{"field": "extension_id", "description": "must be a UUID"}]


async def test_an_id_in_capitals_is_the_same_id(http: httpx.AsyncClient) -> None:
    made = await make(http)

    assert (await http.get(f"{ROOT}/{made['id'].upper()}")).json()["id"] == made["id"]


async def test_where_a_state_must_be_named_nothing_is_changed_without(make_world: MakeWorld) -> None:
    world = make_world(rest_if_match="required")
    async with await world.http() as http:
        made = await http.post(ROOT, json={"extension": "1001"})
        one = f"{ROOT}/{made.json()['id']}"
        before = world.everything()
        for method, body in (("PUT", {"name": "x"}), ("PATCH", {"name": "x"}), ("DELETE", None)):
            assert refusal(await http.request(method, one, json=body)) == (428, "PRECONDITION_REQUIRED")
        assert world.everything() == before
        tag = (await http.get(one)).headers["etag"]
        assert (await http.put(one, json={"name": "x"}, headers={"if-match": tag})).status_code == 200
        assert (await http.put("/v1.0/customer_domain", json={"domain_label": "acme"})).status_code != 428


async def test_an_extension_costs_two_statements_the_key_with_its_customer_and_itself(
    world: World, http: httpx.AsyncClient
) -> None:
    made = (await http.post(ROOT, json={"extension": "1001"})).json()
    world.statements.clear()

    assert (await http.get(f"{ROOT}/{made['id']}")).json()["extension"] == "1001"

    assert world.statements == [keys.BY_HASH, store.LIVE]
