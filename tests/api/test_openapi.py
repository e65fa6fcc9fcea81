"""The description of the API: valid, committed, and true of what the gateway does."""

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import httpx
import jsonschema_rs
import msgspec
import pytest

from ringback.api.news import WEBHOOKS
from ringback.api.openapi import description, pretty
from ringback.api.policy_examples import POLICY_EXAMPLES
from ringback.calls.records.taking import Taking
from ringback.routes import REST
from tests import pipelines
from tests.calls.recorded import rows, write
from tests.world import World

COMMITTED: Final = Path(__file__).parents[2] / "docs/openapi.json"
DOCUMENT: Final[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(description(REST)))
OF_PLATFORM: Final = ("router", "customers", "drift")
"""Tags of what the operator alone is served."""
OF_CUSTOMERS: Final = re.compile("/policies|/pipelines")
"""What of it is each customer's own."""
SCHEMAS: Final[dict[str, Any]] = DOCUMENT["components"]["schemas"]
UNAUDITED: Final = ("refresh",)
"""Operations that are no `GET` and no news; the registry has a log of its own."""
OF_ONESELF: Final = ("change_own_password", "list_own_sessions", "end_other_sessions", "end_own_session")
"""Operations of somebody who has signed in."""


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def examples() -> Iterator[Any]:
    """Every example of every operation; one without a body is the request without one."""
    for method, path, operation in operations():
        bodies = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples", {})
        for title, example in (bodies or {"no body": {"value": None}}).items():
            yield pytest.param(method, path, operation, example["value"], id=f"{operation['operationId']}: {title}")


def public_id(contact_id: str) -> str:
    """What customers are shown as a contact's id."""
    return sha256(contact_id.encode()).hexdigest()[:32]


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """What a `$ref` stands for."""
    if "$ref" not in part:
        return part
    found = DOCUMENT
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def conforms(data: object, schema: dict[str, Any]) -> None:
    """`data` is what the schema says, formats included; an error says where it is not."""
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(data)


def test_the_description_is_valid_openapi_3_1() -> None:
    from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR  # takes half a second

    assert DOCUMENT["openapi"] == "3.1.0"
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(DOCUMENT)] == []
    for name, schema in SCHEMAS.items():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
        assert schema["description"], name


def test_the_committed_description_is_that_of_the_code() -> None:
    stale = "docs/openapi.json is stale: .venv/bin/python -m ringback.api.openapi > docs/openapi.json"
    assert COMMITTED.read_bytes() == pretty(description(REST)), stale


async def test_what_is_served_is_what_is_committed(nobody: httpx.AsyncClient) -> None:
    assert (await nobody.get("/openapi.json")).json() == msgspec.json.decode(COMMITTED.read_bytes())


def test_every_operation_has_one_readable_name_a_sentence_and_its_errors() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]

    assert names == [
        "create_extension", "list_extensions", "get_extension", "patch_extension", "put_extension",
        "delete_extension", "regenerate_extension_direct_hash", "list_extension_contacts",
        "delete_extension_contacts", "delete_extension_contact", "list_extension_contact_history",
        "diagnose_extension", "create_trunk", "list_trunks", "get_trunk",
        "patch_trunk", "put_trunk", "delete_trunk", "get_customer_domain", "put_customer_domain",
        "import_extensions", "export_extensions", "import_trunks", "export_trunks", "list_drift", "repair_drift",
        "create_extension_setup_link", "get_extension_setup_link", "delete_extension_setup_link", "open_setup_link",
        "open_setup_link_by_hand",
        "list_calls", "get_call",
        "create_customer", "list_customers", "get_customer", "patch_customer", "put_customer", "delete_customer",
        "freeze_customer", "recover_customer", "get_own_customer", "patch_own_customer", "put_own_customer",
        "create_router_extension", "list_router_extensions", "get_router_extension", "put_router_extension",
        "patch_router_extension", "delete_router_extension", "restore_router_extension", "enable_router_extension",
        "disable_router_extension", "rollback_router_extension", "force_router_breaker",
        "list_router_breakers", "get_router_extension_health", "get_router_health",
        "create_router_policy", "list_router_policies", "get_router_policy", "put_router_policy",
        "patch_router_policy", "delete_router_policy",
        "list_router_extension_revisions", "get_router_extension_revision", "diff_router_extension",
        "list_router_extension_audit", "list_router_audit", "verify_router_audit", "reload_router",
        "get_router_stats", "get_router_effective", "list_router_nodes", "run_pipeline", "dry_run_pipeline",
        "list_audit",
        "create_accesskey", "list_accesskeys", "get_accesskey", "delete_accesskey",
        "create_person", "list_people", "get_person", "patch_person", "delete_person", "login", "refresh", "logout",
        "change_own_password", "whoami", "list_own_sessions", "end_other_sessions", "end_own_session",
        "list_person_sessions", "end_person_sessions", "end_person_session", "listen",
    ]  # fmt: skip
    for method, path, operation in operations():
        assert operation["summary"]
        wanted = {"400", "401", "403", "503"} | ({"404"} if "{" in path else set())
        is_change = method != "GET" and "ETag" in resolved(operation["responses"].get("200", {})).get("headers", {})
        wanted |= {"412"} if is_change else set()
        assert wanted <= operation["responses"].keys(), operation["operationId"]
        for part in operation["responses"].values():
            assert resolved(part)["description"]


def test_every_parameter_is_described() -> None:
    for _, path, operation in operations():
        parameters = [resolved(parameter) for parameter in operation.get("parameters", ())]
        in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
        assert in_path == {part.strip("{}") for part in path.split("/") if part.startswith("{")}
        for parameter in parameters:
            assert parameter["schema"]["type"] in ("string", "integer", "boolean")
            assert parameter.get("description") or parameter["in"] == "path", parameter


def test_a_body_allows_no_unknown_field_and_an_object_says_what_is_read_only() -> None:
    for name in ("NewExtension", "ChangeExtension", "NewTrunk", "ChangeTrunk", "NewRouterExtension"):
        assert SCHEMAS[name]["additionalProperties"] is False
    shown = SCHEMAS["RegistrarManagerExtension"]["properties"]
    assert shown["direct_hash"]["readOnly"] is True
    assert {name for name, field in shown.items() if field.get("readOnly")}.isdisjoint({"name", "detail", "password"})


def test_every_example_of_an_answer_or_an_event_has_its_shape() -> None:
    for _, _, operation in operations():
        for part in operation["responses"].values():
            for content in resolved(part).get("content", {}).values():
                if "example" in content:
                    conforms(content["example"], content.get("schema", {}))
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for example in content["examples"].values():
                conforms(example["value"], content["schema"])
    for webhook in DOCUMENT["webhooks"].values():
        content = webhook["post"]["requestBody"]["content"]["application/json"]
        conforms(content["example"], content["schema"])


@pytest.mark.contract("router X-29")
@pytest.mark.long
@pytest.mark.parametrize(("method", "path", "operation", "body"), list(examples()))
async def test_every_example_works_as_described(
    http: httpx.AsyncClient,
    operator: httpx.AsyncClient,
    world: World,
    method: str,
    path: str,
    operation: dict[str, Any],
    body: Any,
) -> None:
    client, place, more = await prepared(http, operator, world, path, operation, body)
    noted = len(world.sql("SELECT id FROM ringback_audit"))
    answer = await client.request(method, place, **more)

    described = operation["responses"][str(answer.status_code)]
    assert answer.is_success, answer.text
    changes = method != "GET" and operation["tags"] != ["router"] and operation["operationId"] not in UNAUDITED
    changes = changes and body != {"direct": True}  # it has one
    assert (len(world.sql("SELECT id FROM ringback_audit")) > noted) == changes
    kind = answer.headers["content-type"].partition(";")[0]
    content = described["content"][kind]
    conforms(answer.json() if kind == "application/json" else answer.text, content.get("schema", {}))
    if "Idempotent-Replay" in described["headers"]:
        answer = await client.request(method, place, **more)
        conforms(answer.json(), described["content"]["application/json"]["schema"])
    for name in described["headers"]:
        assert name.lower() in answer.headers, name


async def prepared(
    http: httpx.AsyncClient,
    operator: httpx.AsyncClient,
    world: World,
    path: str,
    operation: dict[str, Any],
    body: Any,
) -> tuple[httpx.AsyncClient, str, dict[str, Any]]:
    """Who may ask for it, at which place, and what else they send; all that its path names is there."""
    made = await world.create("1000", direct=True)
    if operation["tags"] == ["router"]:
        await a_router_extension(operator, world)
        await pipelines.serve(world.ringback, world.customer)
        if operation["operationId"].startswith("restore"):
            await operator.delete("/v1.0/router/extensions/upper")
        if "{policy_id}" in path:
            (policy, *_) = POLICY_EXAMPLES["create_router_policy"].values()
            assert (await http.post("/v1.0/router/policies", json=policy)).status_code == 201
    id = {
        "router_extension_id": "upper",
        "policy_id": "support_en",
        "number_id": "1",
        "extension_id": made["id"],
        "contact_id": public_id(world.register(made["endpoint_id"])),
        "trunk_id": (await world.create_trunk("carrier-0"))["id"],
        "accesskey_id": (await http.post("/v1.0/accesskeys", json={"name": "x", "roles": ["viewer"]})).json()["id"],
        "customer_id": str(world.customer),
    }
    link = (await http.post(f"/v1.0/extensions/{made['id']}/setup_link")).json()["url"]
    id["token"] = link.rpartition("/")[2]
    await world.name()
    sam = {"email": "sam@example.com", "password": "Sample-Pass-0008"}
    id["person_id"] = (await http.post("/v1.0/people", json={**sam, "name": "Sam", "roles": ["viewer"]})).json()["id"]
    tokens, _ = [(await http.post("/v1.0/auth/login", json=sam)).json() for _ in range(2)]
    if operation["operationId"] in ("refresh", "logout"):
        body = {"refresh_token": tokens["refresh_token"]}
    (id["session_id"], _) = [
        row["id"] for row in (await http.get(f"/v1.0/people/{id['person_id']}/sessions")).json()["result"]
    ]
    if operation["tags"] == ["calls"]:
        await a_call(world, made)
        (call,) = (await http.get("/v1.0/calls")).json()["result"]
        id["call_id"] = call["id"]
    if operation["operationId"] == "put_customer_domain":
        await http.delete(f"/v1.0/extensions/{made['id']}")
    query = {
        parameter["name"]: str(parameter["schema"]["examples"][0])
        for parameter in map(resolved, operation.get("parameters", ()))
        if parameter["in"] == "query" and "examples" in parameter["schema"]
    }

    world.ringback.gateway.end_streams()
    if operation["operationId"] == "recover_customer":
        await operator.post(f"/v1.0/customers/{world.customer}/freeze")
    is_of_platform = operation["tags"][0] in OF_PLATFORM and not OF_CUSTOMERS.search(path)
    client, place = operator if is_of_platform else http, path.format(**id)
    headers = {"Idempotency-Key": "once"}
    if operation["operationId"] in OF_ONESELF:
        headers["authorization"] = f"Bearer {tokens['access_token']}"
    return client, place, {"params": query, "headers": headers, **({} if body is None else {"json": body})}


async def a_router_extension(operator: httpx.AsyncClient, world: World) -> None:
    assert (await world.ringback.router.loader.reload()).ok
    asked = {"id": "upper", "type": "pre", "subject": "beamline.ext.pre.upper.v1", "config": {"language": "en"}}
    assert (await operator.post("/v1.0/router/extensions", json=asked)).status_code == 201


async def a_call(world: World, phone: dict[str, Any]) -> None:
    """One that the phone has made, as Asterisk tells of it."""
    events = rows(world, "answered, the caller hangs up", phone["realm"])
    write(world, *([value.replace("1201@", f"{phone['extension']}@") for value in event] for event in events))
    await Taking(world.ringback.work, 0).once()


async def test_every_event_is_described_and_has_that_shape(
    http: httpx.AsyncClient, operator: httpx.AsyncClient, world: World
) -> None:
    made = (await http.post("/v1.0/extensions", json={"extension": "1001", "direct": True})).json()
    place = f"/v1.0/extensions/{made['id']}"
    await http.post(f"{place}/direct-hash-regenerate")
    endpoint = f"1001@{made['realm']}"
    world.register(endpoint, expires_in=30)
    await world.ringback.feed.once()
    world.wait(40)
    world.register(endpoint)
    await world.ringback.feed.once()
    await a_call(world, made)
    await http.delete(place)
    trunk = f"/v1.0/trunks/{(await world.create_trunk())['id']}"
    await http.patch(trunk, json={"name": "new"})
    await http.delete(trunk)
    await world.name()
    await http.patch("/v1.0/customer", json={"detail": "new"})
    for verb in ("freeze", "recover"):
        await operator.post(f"/v1.0/customers/{world.customer}/{verb}")
    await operator.delete(f"/v1.0/customers/{world.customer}")

    told = world.events()

    assert {type for type, _ in told} == set(WEBHOOKS)
    for type, data in told:
        content = DOCUMENT["webhooks"][type]["post"]["requestBody"]["content"]["application/json"]
        conforms(data, content["schema"])
        assert data.keys() == content["example"].keys()


async def test_errors_have_the_shape_that_is_described(http: httpx.AsyncClient, nobody: httpx.AsyncClient) -> None:
    for answer in (
        await http.post("/v1.0/extensions", json={}),
        await http.get("/v1.0/extensions/1"),
        await nobody.get("/v1.0/extensions"),
        await http.delete("/v1.0/extensions"),
    ):
        conforms(answer.json(), {"$ref": "#/components/schemas/Error"})
