"""Policies over REST: what a customer does with theirs, and what nobody else sees."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.test_router import client
from tests.world import World, refusal

pytestmark = pytest.mark.sqlite
ROOT = "/v1.0/router/policies"
EXTENSIONS = "/v1.0/router/extensions"
DOCUMENT: dict[str, Any] = {
    "pre": [{"id": "normalize_text"}],
    "validators": [{"id": "pii_guard", "on_fail": "warn"}],
    "providers": [{"name": "mock_provider"}],
}
ASKED = {"policy_id": "support_en", "document": DOCUMENT}


@pytest.fixture
async def ops(world: World, operator: httpx.AsyncClient) -> httpx.AsyncClient:
    """The operator's client, of a registry that is loaded."""
    assert (await world.ringback.router.loader.reload()).ok
    return operator


def faults(answer: httpx.Response) -> set[tuple[str, str]]:
    assert refusal(answer) == (400, "VALIDATION_FAILED")
    return {(detail["field"], detail["rule"]) for detail in answer.json()["error"]["details"]}


async def test_a_policy_is_made_read_changed_and_ended(
    http: httpx.AsyncClient, ops: httpx.AsyncClient, world: World
) -> None:
    made = await http.post(ROOT, json=ASKED)
    assert (made.status_code, made.headers["location"], made.headers["etag"]) == (201, f"{ROOT}/support_en", '"1"')
    assert made.json() == {
        **ASKED,
        "customer_id": str(world.customer),
        "purpose": None,
        "enabled": True,
        "deadline_ms": 100 + 500 + 1000,
        "revision": 1,
        **{name: made.json()[name] for name in ("created_at", "updated_at")},
        "created_by": made.json()["created_by"],
        "updated_by": made.json()["created_by"],
        "warnings": [],
    }
    assert (await http.get(f"{ROOT}/support_en")).json() == made.json()
    assert refusal(await http.post(ROOT, json=ASKED)) == (409, "POLICY_ALREADY_EXISTS")

    whole = await http.put(f"{ROOT}/support_en", json={**made.json(), "enabled": False}, headers={"if-match": '"1"'})
    assert (whole.status_code, whole.json()["enabled"], whole.headers["etag"]) == (200, False, '"2"')
    assert int(whole.headers["x-registry-revision"]) == int(made.headers["x-registry-revision"]) + 1
    merged = await http.patch(f"{ROOT}/support_en", json={"document": {"deadline_ms": 500, "pre": None}})
    assert merged.json()["document"] == {
        "validators": DOCUMENT["validators"], "providers": DOCUMENT["providers"], "deadline_ms": 500,
    }  # fmt: skip
    assert merged.json()["warnings"] == ["deadline_below_sum"]
    same = await http.patch(f"{ROOT}/support_en", json={"document": {"deadline_ms": 500}})
    assert (same.json(), same.headers["x-registry-revision"]) == (
        merged.json(), merged.headers["x-registry-revision"],
    )  # fmt: skip

    gone = await http.delete(f"{ROOT}/support_en")
    assert (gone.status_code, gone.json()["revision"]) == (200, 4)
    assert refusal(await http.delete(f"{ROOT}/support_en")) == (404, "POLICY_NOT_FOUND")
    assert refusal(await http.get(f"{ROOT}/support_en")) == (404, "POLICY_NOT_FOUND")
    again = await http.post(ROOT, json=ASKED)
    assert (again.status_code, again.json()["revision"]) == (201, 5)


async def test_a_stale_if_match_is_a_412_with_the_tag_of_today(http: httpx.AsyncClient, ops: httpx.AsyncClient) -> None:
    await http.post(ROOT, json=ASKED)
    for call in (
        http.put(f"{ROOT}/support_en", json={"enabled": False}, headers={"if-match": '"7"'}),
        http.delete(f"{ROOT}/support_en", headers={"if-match": '"7"'}),
    ):
        late = await call
        assert (refusal(late), late.headers["etag"]) == ((412, "REVISION_CONFLICT"), '"1"')
        assert late.json()["error"]["message"].startswith("It is at another revision")


async def test_a_repeated_create_is_done_once(http: httpx.AsyncClient, ops: httpx.AsyncClient) -> None:
    once = {"idempotency-key": "once"}
    first, second = [await http.post(ROOT, json=ASKED, headers=once) for _ in range(2)]
    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    other = await http.post(ROOT, json={**ASKED, "policy_id": "other"}, headers=once)
    assert other.status_code == 422


async def test_a_change_is_answered_when_all_nodes_serve_it(
    http: httpx.AsyncClient, ops: httpx.AsyncClient, world: World
) -> None:
    answer = await http.post(f"{ROOT}?wait=applied", json=ASKED)
    applied = answer.json()["applied"]
    assert (applied["revision"], applied["pending"]) == (int(answer.headers["x-registry-revision"]), [])


@pytest.mark.contract("router F-17")
async def test_what_breaks_a_rule_is_refused_whole(http: httpx.AsyncClient, ops: httpx.AsyncClient) -> None:
    wrong = {"policy_id": "no/such", "purpose": "calls", "order": 1, "document": {}}
    assert faults(await http.post(ROOT, json=wrong)) == {
        ("policy_id", "invalid_id"), ("purpose", "wrong_type"), ("order", "unknown_field"),
    }  # fmt: skip
    assert faults(await http.post(ROOT, json={})) == {("policy_id", "invalid_id"), ("document", "wrong_type")}
    misspelt = {"pre": [{"id": "normalize_text", "mode": "requird"}]}
    at = ("document.pre[0].mode", "unknown_mode")
    assert faults(await http.post(ROOT, json={**ASKED, "document": misspelt})) == {at}
    await http.post(ROOT, json=ASKED)
    place = f"{ROOT}/support_en"
    assert faults(await http.put(place, json={"document": misspelt})) == {at}
    assert faults(await http.patch(place, json={"document": {"pre": "x"}})) == {("document.pre", "wrong_type")}
    assert faults(await http.put(place, json={})) == {("", "empty_update")}
    assert faults(await http.put(place, json={"policy_id": "x", "customer_id": str(uuid4())})) == {
        ("policy_id", "immutable_field"), ("customer_id", "immutable_field"),
    }  # fmt: skip
    assert (await http.get(place)).json()["revision"] == 1


@pytest.mark.contract("router S-3")
@pytest.mark.contract("router R-11c")
async def test_policies_of_others_are_not_there(http: httpx.AsyncClient, ops: httpx.AsyncClient, world: World) -> None:
    other = uuid4()
    for customer in (world.customer, other):
        assert (await ops.post(f"{ROOT}?customer_id={customer}", json=ASKED)).status_code == 201
    await ops.post(f"{ROOT}?customer_id={other}", json={**ASKED, "policy_id": "theirs"})
    place = f"{ROOT}/theirs"

    for answer in (
        await http.get(place), await http.put(place, json={"enabled": False}), await http.delete(place),
        await http.patch(place, json={"enabled": False}),
    ):  # fmt: skip
        assert refusal(answer) == (404, "POLICY_NOT_FOUND")
    assert [one["policy_id"] for one in (await http.get(ROOT)).json()["result"]] == ["support_en"]
    assert refusal(await http.get(f"{ROOT}?customer_id={other}")) == (403, "PERMISSION_DENIED")

    everybodys = [(one["customer_id"], one["policy_id"]) for one in (await ops.get(ROOT)).json()["result"]]
    assert everybodys == sorted(
        [(str(world.customer), "support_en"), (str(other), "support_en"), (str(other), "theirs")]
    )
    assert (await ops.get(f"{place}?customer_id={other}")).json()["customer_id"] == str(other)
    assert (await ops.get(place)).status_code == (await ops.post(ROOT, json=ASKED)).status_code == 400


async def test_a_list_has_pages(http: httpx.AsyncClient, ops: httpx.AsyncClient) -> None:
    for id in ("b", "a.1", "C"):
        await http.post(ROOT, json={**ASKED, "policy_id": id})
    first = (await http.get(f"{ROOT}?page_size=2")).json()
    second = (await http.get(ROOT, params={"page_size": "2", "page_token": first["next_page_token"]})).json()
    assert [one["policy_id"] for one in first["result"] + second["result"]] == ["C", "a.1", "b"]
    assert second["next_page_token"] == ""
    assert refusal(await http.get(f"{ROOT}?page_token=x")) == (400, "INVALID_PAGE_TOKEN")


@pytest.mark.contract("router S-3")
async def test_an_extension_of_others_is_unknown_to_a_policy(http: httpx.AsyncClient, ops: httpx.AsyncClient) -> None:
    theirs = {"id": "theirs", "type": "pre", "subject": "beamline.ext.pre.theirs.v1"}
    await ops.post(EXTENSIONS, json={**theirs, "metadata": {"allowed_tenants": [str(uuid4())]}})
    answer = await http.post(ROOT, json={**ASKED, "document": {"pre": [{"id": "theirs"}]}})
    assert faults(answer) == {("document.pre[0].id", "unknown_extension")}


async def test_a_customers_policies_name_20_extensions_at_most(http: httpx.AsyncClient, ops: httpx.AsyncClient) -> None:
    for number in range(21):
        await ops.post(
            EXTENSIONS, json={"id": f"x{number}", "type": "pre", "subject": f"beamline.ext.pre.x{number}.v1"}
        )

    async def create(id: str, *numbers: int) -> httpx.Response:
        return await http.post(ROOT, json={"policy_id": id, "document": {"pre": [{"id": f"x{n}"} for n in numbers]}})

    for start in (0, 5, 10, 15):
        assert (await create(f"from{start}", *range(start, start + 5))).status_code == 201
    assert faults(await create("more", 20)) == {("document", "too_large")}
    assert (await create("known", 1, 19)).status_code == 201
    await http.delete(f"{ROOT}/from10")
    assert (await create("more", 20)).status_code == 201


async def test_a_customer_has_one_enabled_policy_for_calls(
    http: httpx.AsyncClient, ops: httpx.AsyncClient, world: World
) -> None:
    calls = {"purpose": "direct_call", "document": {"validators": [{"id": "pii_guard"}]}}
    both = await asyncio.gather(*(http.post(ROOT, json={"policy_id": id, **calls}) for id in ("a", "b")))
    assert sorted(answer.status_code for answer in both) == [201, 409]
    (taken,) = (answer.json() for answer in both if answer.status_code == 201)
    assert (taken["deadline_ms"], taken["warnings"]) == (500, [])
    assert refusal(await http.post(ROOT, json={"policy_id": "c", **calls})) == (409, "IN_USE")

    assert (await http.post(ROOT, json={"policy_id": "c", **calls, "enabled": False})).status_code == 201
    assert refusal(await http.put(f"{ROOT}/c", json={"enabled": True})) == (409, "IN_USE")
    cleared = await http.put(f"{ROOT}/{taken['policy_id']}", json={"purpose": None})
    assert (cleared.json()["purpose"], cleared.json()["enabled"]) == (None, True)
    assert (await http.put(f"{ROOT}/c", json={"enabled": True})).status_code == 200
    assert (await ops.post(f"{ROOT}?customer_id={uuid4()}", json={"policy_id": "a", **calls})).status_code == 201


async def test_what_a_call_needs_of_its_policy_stands_in_columns(
    http: httpx.AsyncClient, ops: httpx.AsyncClient, world: World
) -> None:
    async def stands(**document: Any) -> dict[str, Any]:
        await http.put(f"{ROOT}/calls", json={"document": document})
        (row,) = world.sql("SELECT fails, deadline_ms FROM router_policies WHERE policy_id = 'calls'")
        return dict(row)

    await http.post(ROOT, json={"policy_id": "calls", "purpose": "direct_call", "document": {}})
    assert await stands(validators=[{"id": "pii_guard"}]) == {"fails": "closed", "deadline_ms": 500}
    assert await stands(validators=[{"id": "pii_guard", "on_fail": "warn"}], deadline_ms=90) == {
        "fails": "open", "deadline_ms": 90,
    }  # fmt: skip
    assert await stands(pre=[{"id": "normalize_text"}]) == {"fails": "closed", "deadline_ms": 500}
    await http.put(f"{ROOT}/calls", json={"purpose": None})
    assert await stands() == {"fails": None, "deadline_ms": None}


@pytest.mark.contract("router R-6c")
async def test_what_a_policy_names_is_deleted_by_force_only(
    http: httpx.AsyncClient, ops: httpx.AsyncClient, world: World
) -> None:
    await http.post(ROOT, json=ASKED)
    answer = await ops.delete(f"{EXTENSIONS}/pii_guard")
    assert refusal(answer) == (409, "IN_USE")
    assert [one["description"] for one in answer.json()["error"]["details"]] == [f"{world.customer}/support_en"]
    assert (await ops.delete(f"{EXTENSIONS}/mask_sensitive_data")).status_code == 200

    assert (await ops.delete(f"{EXTENSIONS}/pii_guard?force=true")).status_code == 200
    assert (await http.get(f"{ROOT}/support_en")).json()["warnings"] == ["unknown_extension"]
    await http.delete(f"{ROOT}/support_en")
    assert (await ops.delete(f"{EXTENSIONS}/normalize_text")).status_code == 200


@pytest.mark.contract("router R-6c")
@pytest.mark.parametrize(
    ("id", "document"),
    [
        ("normalize_text", {"pre": [{"id": "normalize_text"}]}),
        ("normalize_text", {"extensions": {"pre": [{"id": "normalize_text"}]}}),
        ("mask_sensitive_data", {"post": [{"id": "mask_sensitive_data", "mode": "required"}]}),
        ("pii_guard", {"validators": [{"id": "pii_guard", "on_fail": "block"}]}),
        ("mock_provider", {"providers": [{"name": "mock_provider"}, {"id": "openai_gpt4", "weight": 0}]}),
    ],
)
async def test_what_a_policy_requires_is_disabled_by_force_only(
    http: httpx.AsyncClient, ops: httpx.AsyncClient, id: str, document: dict[str, Any]
) -> None:
    assert (await http.post(ROOT, json={"policy_id": "p", "document": document})).status_code == 201
    place = f"{EXTENSIONS}/{id}"
    assert refusal(await ops.post(f"{place}/disable")) == (409, "IN_USE")
    assert refusal(await ops.put(place, json={"enabled": False})) == (409, "IN_USE")
    assert refusal(await ops.patch(place, json={"enabled": False})) == (409, "IN_USE")
    assert (await ops.put(place, json={"timeout_ms": 90})).json()["enabled"] is True
    assert (await http.get(f"{ROOT}/p")).json()["warnings"] == []
    assert (await ops.post(f"{place}/disable?force=true")).json()["enabled"] is False
    assert (await http.get(f"{ROOT}/p")).json()["warnings"] == ["requires_disabled"]
    assert (await ops.post(f"{place}/disable")).status_code == 200
    assert (await ops.put(place, json={"timeout_ms": 80})).status_code == 200


@pytest.mark.contract("router R-6c, S-3")
async def test_what_a_policy_requires_is_taken_from_its_customer_by_force_only(
    http: httpx.AsyncClient, ops: httpx.AsyncClient, world: World
) -> None:
    await http.post(ROOT, json={"policy_id": "p", "document": {"pre": [{"id": "normalize_text"}]}})
    await http.post(ROOT, json={"policy_id": "q", "document": {"pre": [{"id": "normalize_text", "mode": "optional"}]}})
    place, elsewhere = f"{EXTENSIONS}/normalize_text", {"metadata": {"allowed_tenants": [str(uuid4())]}}
    for change in (ops.put, ops.patch):
        refused = await change(place, json=elsewhere)
        assert refusal(refused) == (409, "IN_USE")
        assert [one["description"] for one in refused.json()["error"]["details"]] == [f"{world.customer}/p"]
    assert refusal(await ops.put(place, json={"metadata": {"allowed_tenants": []}})) == (409, "IN_USE")
    here = {"metadata": {"allowed_tenants": [str(world.customer)]}}
    assert (await ops.put(place, json=here)).status_code == 200
    assert (await ops.put(place, json={"metadata": {"owner": "ops"}})).status_code == 200

    forced = await ops.put(f"{place}?force=true", json=elsewhere)
    assert forced.status_code == 200
    assert (await http.get(f"{ROOT}/p")).json()["warnings"] == ["unknown_extension"]
    assert (await ops.put(place, json={"metadata": {"allowed_tenants": [str(uuid4())]}})).status_code == 200
    assert (await ops.put(place, json={"metadata": {}})).status_code == 200
    back = {"to_revision": forced.json()["revision"]}
    assert refusal(await ops.post(f"{place}/rollback", json=back)) == (409, "IN_USE")
    assert (await ops.post(f"{place}/rollback?force=true", json=back)).status_code == 200


@pytest.mark.contract("router R-6c")
@pytest.mark.parametrize(
    ("id", "document"),
    [
        ("normalize_text", {"pre": [{"id": "normalize_text", "mode": "optional"}]}),
        ("pii_guard", {"validators": [{"id": "pii_guard", "on_fail": "ignore"}]}),
        ("mock_provider", {"providers": [{"name": "mock_provider"}, {"id": "openai_gpt4"}]}),
        ("mock_provider", {"providers": [{"id": "openai_gpt4"}], "fallbacks": [{"to": "mock_provider"}]}),
    ],
)
async def test_what_a_policy_can_do_without_is_disabled(
    http: httpx.AsyncClient, ops: httpx.AsyncClient, id: str, document: dict[str, Any]
) -> None:
    await http.post(ROOT, json={"policy_id": "p", "document": document})
    assert (await ops.put(f"{EXTENSIONS}/{id}", json={"enabled": False})).json()["enabled"] is False
    assert refusal(await ops.delete(f"{EXTENSIONS}/{id}")) == (409, "IN_USE")


async def test_changes_of_policies_are_audited_and_told(
    http: httpx.AsyncClient, ops: httpx.AsyncClient, world: World
) -> None:
    await http.post(ROOT, json=ASKED)
    await http.put(f"{ROOT}/support_en", json={"enabled": False})
    await http.delete(f"{ROOT}/support_en")

    entries = (await ops.get("/v1.0/router/audit?page_size=3")).json()["result"]
    key = f"{world.customer}/support_en"
    assert [(one["entity"], one["extension_id"], one["action"]) for one in entries] == [
        ("policy", key, "deleted"), ("policy", key, "updated"), ("policy", key, "created"),
    ]  # fmt: skip
    assert entries[1]["changes"]["enabled"] == {"old": True, "new": False}
    assert entries[2]["new_values"]["document"] == DOCUMENT
    assert (await ops.post("/v1.0/router/audit:verify")).json()["ok"]
    told = world.sql("SELECT event_type FROM registrar_outbox WHERE event_type LIKE 'policy%' ORDER BY id")
    assert [row["event_type"] for row in told] == ["policy_updated", "policy_updated", "policy_deleted"]

    for customer, count in ((world.customer, 3), (uuid4(), 0)):
        named = (await ops.get(f"/v1.0/router/audit?customer_id={customer}")).json()["result"]
        assert len([one for one in named if one["entity"] == "policy"]) == count
    async with await client(world, "auditor") as theirs:
        assert (await theirs.get(f"/v1.0/router/audit?customer_id={world.customer}")).status_code == 403
        seen = (await theirs.get("/v1.0/router/audit")).json()["result"]
        assert {one["extension_id"] for one in seen if one["entity"] == "policy"} == {key}


async def test_managers_write_and_everybody_reads(
    http: httpx.AsyncClient, ops: httpx.AsyncClient, world: World
) -> None:
    async with await client(world, "viewer") as viewer, await client(world, "manager") as manager:
        assert refusal(await viewer.post(ROOT, json=ASKED)) == (403, "PERMISSION_DENIED")
        assert (await manager.post(ROOT, json=ASKED)).status_code == 201
        assert (await viewer.get(f"{ROOT}/support_en")).status_code == 200
        assert refusal(await viewer.delete(f"{ROOT}/support_en")) == (403, "PERMISSION_DENIED")


async def test_what_a_node_serves_of_policies_is_shown(http: httpx.AsyncClient, ops: httpx.AsyncClient) -> None:
    await http.post(ROOT, json=ASKED)
    (policy,) = (await ops.get("/v1.0/router/effective")).json()["policies"]
    assert (policy["policy_id"], policy["document"]) == ("support_en", DOCUMENT)
