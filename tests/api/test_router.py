"""The registry of router extensions over REST: what an operator does, and what everybody else may see."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from ringback.app import assemble
from ringback.customers import rights
from ringback.customers.keys import service as keys
from ringback.customers.keys.model import new_token
from ringback.databases import Opened
from ringback.kit.db import Statement
from ringback.router.extensions import store
from ringback.router.extensions.registry import Snapshot
from tests.world import World, refusal

pytestmark = pytest.mark.sqlite
ROOT = "/v1.0/router/extensions"
UPPER = {"id": "upper", "type": "pre", "subject": "beamline.ext.pre.upper.v1", "config": {"language": "en"}}


@pytest.fixture
async def ops(world: World, operator: httpx.AsyncClient) -> httpx.AsyncClient:
    """The operator's client, of a registry that is loaded."""
    assert (await world.ringback.router.loader.reload()).ok
    return operator


async def client(world: World, role: str, *, of_customer: bool = True) -> httpx.AsyncClient:
    """A client with a key of that role."""
    token = new_token()
    customer = world.customer if of_customer else None
    await world.ringback.work.write(lambda uow: keys.keep(uow, token, customer, role, role))
    return await world.http(token.reveal())


async def test_a_record_is_made_read_changed_and_ended(ops: httpx.AsyncClient) -> None:
    made = await ops.post(ROOT, json=UPPER)
    assert (made.status_code, made.headers["location"], made.headers["etag"]) == (201, f"{ROOT}/upper", '"1"')
    assert made.json()["created_by"] == "key:test"
    assert (made.json()["timeout_ms"], made.json()["version"], made.json()["health"]["status"]) == (
        5000,
        "v1",
        "unknown",
    )
    assert (await ops.get(f"{ROOT}/upper")).json() == made.json()

    whole = await ops.put(f"{ROOT}/upper", json={**made.json(), "timeout_ms": 300}, headers={"if-match": '"1"'})
    assert (whole.status_code, whole.json()["revision"], whole.headers["etag"]) == (200, 2, '"2"')
    merged = await ops.patch(f"{ROOT}/upper", json={"config": {"strict": True}})
    assert merged.json()["config"] == {"language": "en", "strict": True}
    assert int(merged.headers["x-registry-revision"]) == int(whole.headers["x-registry-revision"]) + 1

    off = await ops.post(f"{ROOT}/upper/disable")
    assert (off.json()["enabled"], off.json()["revision"]) == (False, 4)
    assert (await ops.post(f"{ROOT}/upper/disable")).json() == off.json()
    assert (await ops.post(f"{ROOT}/upper/enable")).json()["enabled"] is True
    back = await ops.post(f"{ROOT}/upper/rollback", json={"to_revision": 1})
    assert (back.json()["timeout_ms"], back.json()["config"]) == (5000, {"language": "en"})

    gone = await ops.delete(f"{ROOT}/upper")
    assert (gone.status_code, gone.json()["deleted_at"] is None) == (200, False)
    assert refusal(await ops.delete(f"{ROOT}/upper")) == (404, "EXTENSION_NOT_FOUND")
    assert (await ops.post(f"{ROOT}/upper/restore")).json()["revision"] == 8


async def test_null_in_a_merge_removes_also_a_reference_and_a_field_that_is_known(ops: httpx.AsyncClient) -> None:
    metadata = {"allowed_tenants": [str(uuid4())], "owner": "voice", "max_concurrency": 4}
    await ops.post(ROOT, json={**UPPER, "config": {"token": "env:RINGBACK_SECRET_A", "x": 1}, "metadata": metadata})
    change = {"config": {"token": None}, "metadata": dict.fromkeys(metadata)}

    whole = await ops.put(f"{ROOT}/upper", json=change)
    merged = await ops.patch(f"{ROOT}/upper", json=change)

    assert refusal(whole) == (400, "VALIDATION_FAILED")
    assert (merged.status_code, merged.json()["config"], merged.json()["metadata"]) == (200, {"x": 1}, {})


@pytest.mark.contract("router R-6a")
async def test_a_stale_if_match_is_a_412_with_the_tag_of_today(ops: httpx.AsyncClient) -> None:
    await ops.post(ROOT, json=UPPER)
    await ops.patch(f"{ROOT}/upper", json={"timeout_ms": 300})

    for tag in ('"1"', '"1", "3"', "nonsense", '"99999999999999999999"'):
        late = await ops.put(f"{ROOT}/upper", json={"timeout_ms": 400}, headers={"if-match": tag})
        assert (refusal(late), late.headers["etag"]) == ((412, "REVISION_CONFLICT"), '"2"')
    for tag in ("*", '"1", "3"'):
        answer = await ops.put(f"{ROOT}/upper", json={"timeout_ms": 400}, headers={"if-match": tag})
        assert (answer.status_code, answer.json()["revision"]) == (200, 3)


@pytest.mark.contract("router X-22")
async def test_all_faults_of_a_request_are_named_with_their_rules(ops: httpx.AsyncClient) -> None:
    wrong = {"id": "U", "type": "pre", "subject": "a.*", "timeout_ms": 1, "retry": "x", "sort": 1}
    answer = await ops.post(ROOT, json=wrong)

    assert refusal(answer) == (400, "VALIDATION_FAILED")
    assert {(detail["field"], detail["rule"]) for detail in answer.json()["error"]["details"]} == {
        ("id", "invalid_id"), ("subject", "subject_grammar"), ("timeout_ms", "timeout_out_of_range"),
        ("retry", "wrong_type"), ("sort", "unknown_field"),
    }  # fmt: skip
    await ops.post(ROOT, json=UPPER)
    assert refusal(await ops.post(ROOT, json=UPPER)) == (409, "EXTENSION_ALREADY_EXISTS")
    assert refusal(await ops.post(ROOT, json={**UPPER, "id": "other"})) == (409, "SUBJECT_IN_USE")


@pytest.mark.contract("router X-19, X-20, X-21, R-6d, D-16")
async def test_a_list_is_ordered_by_type_and_id_filtered_and_paged(ops: httpx.AsyncClient) -> None:
    await ops.post(ROOT, json={**UPPER, "metadata": {"tags": ["text"], "description": "Makes it LOUD"}})
    await ops.post(f"{ROOT}/pii_guard/disable")
    await ops.delete(f"{ROOT}/openai_gpt4")

    async def ids(query: str) -> list[str]:
        return [one["id"] for one in (await ops.get(f"{ROOT}?{query}")).json()["result"]]

    everything = ["mask_sensitive_data", "normalize_text", "upper", "anthropic_claude", "mock_provider", "pii_guard"]
    assert await ids("") == everything
    assert await ids("type=provider") == ["anthropic_claude", "mock_provider"]
    assert await ids("enabled=false") == ["pii_guard"]
    assert await ids("tag=text") == await ids("q=loud") == ["upper"]
    assert await ids("status=unknown&type=pre") == ["normalize_text", "upper"]
    assert await ids("deleted=true") == ["openai_gpt4"]
    assert refusal(await ops.get(f"{ROOT}?type=sink")) == (400, "VALIDATION_FAILED")
    first = (await ops.get(f"{ROOT}?page_size=4")).json()
    rest = (await ops.get(f"{ROOT}?page_size=4&page_token={first['next_page_token']}")).json()
    assert [one["id"] for one in [*first["result"], *rest["result"]]] == everything
    assert rest["next_page_token"] == ""
    assert refusal(await ops.get(f"{ROOT}?page_token=!")) == (400, "INVALID_PAGE_TOKEN")


async def test_one_record_or_page_is_shown_without_a_look_at_what_was_counted_of_all_others(
    ops: httpx.AsyncClient, world: World
) -> None:
    world.sql("INSERT INTO extension_health (extension_id, node_id, success_count) VALUES ('pii_guard', 'a', 7)")
    world.statements.clear()
    await ops.get(f"{ROOT}/pii_guard")
    await ops.patch(f"{ROOT}/pii_guard", json={"timeout_ms": 300})
    shown = (await ops.get(f"{ROOT}?page_size=4&type=validator")).json()["result"]
    assert (await ops.get(f"{ROOT}?q=nobody")).json()["result"] == []

    assert {one["id"]: one["health"]["status"] for one in shown}["pii_guard"] == "healthy"
    assert (world.statements.count(store.HEALTH_OF), world.statements.count(store.HEALTH_AMONG)) == (2, 1)
    assert store.HEALTH not in world.statements


@pytest.mark.contract("router X-26, F-9")
async def test_what_ends_while_the_health_of_all_is_read_is_left_out(ops: httpx.AsyncClient, world: World) -> None:
    registry = world.ringback.router.registry
    left = [one for one in registry.snapshot.by_id.values() if one.id != "pii_guard"]

    def before(statement: Statement) -> None:
        if statement is store.HEALTH:
            registry.install(Snapshot.of(registry.snapshot.revision, left))

    world.before_statement = before
    answer = await ops.get("/v1.0/router/health")

    assert answer.status_code == 200
    assert {one["extension_id"] for one in answer.json()["result"]} == {one.id for one in left}


@pytest.mark.contract("router X-26, D-5, R-7b, F-9")
async def test_health_is_what_the_nodes_have_counted(ops: httpx.AsyncClient, world: World) -> None:
    unknown = (await ops.get(f"{ROOT}/pii_guard/health")).json()
    assert (unknown["status"], unknown["health_score"], unknown["basis"]) == ("unknown", None, "none")
    for node, won, lost, lately in (("a", 90, 5, 0), ("b", 6, 0, 0), ("", 3, 0, 0)):
        world.sql(
            "INSERT INTO extension_health "
            "(extension_id, node_id, success_count, failure_count, window_success, updated_at) "
            f"VALUES ('pii_guard', '{node}', {won}, {lost}, {lately}, '{world.now:%Y-%m-%dT%H:%M:%S.%fZ}')"
        )

    one = (await ops.get(f"{ROOT}/pii_guard/health")).json()

    assert (one["success_count"], one["failure_count"], one["health_score"]) == (99, 5, 95.19)
    assert (one["status"], one["basis"], one["circuit_breaker_state"]) == ("healthy", "lifetime", "closed")
    assert [node["node_id"] for node in one["nodes"]] == ["", "a", "b"]
    assert (await ops.get(f"{ROOT}/pii_guard")).json()["health"] == {"status": "healthy", "health_score": 95.19}
    world.sql("UPDATE extension_health SET window_failure = 4, circuit_breaker_state = 'open' WHERE node_id = 'a'")
    one = (await ops.get(f"{ROOT}/pii_guard/health")).json()
    assert (one["status"], one["basis"], one["circuit_breaker_state"]) == ("healthy", "window", "open")
    world.wait(10)
    one = (await ops.get(f"{ROOT}/pii_guard/health")).json()
    assert (one["status"], one["basis"]) == ("unhealthy", "window"), "it has held for ten seconds"
    assert (await ops.get(f"{ROOT}/pii_guard")).json()["health"]["status"] == "unhealthy"
    assert [found["id"] for found in (await ops.get(f"{ROOT}?status=unhealthy")).json()["result"]] == ["pii_guard"]
    assert refusal(await ops.get(f"{ROOT}/nobody/health")) == (404, "EXTENSION_NOT_FOUND")
    assert len((await ops.get("/v1.0/router/health")).json()["result"]) == 6


@pytest.mark.contract("router R-4a, R-5a")
async def test_history_is_told_and_compared_without_secrets(ops: httpx.AsyncClient) -> None:
    await ops.post(ROOT, json={**UPPER, "config": {"api_key": "env:RINGBACK_SECRET_A", "model": "a"}})
    await ops.patch(
        f"{ROOT}/upper", json={"config": {"api_key": "env:RINGBACK_SECRET_B", "model": "b"}, "comment": "new"}
    )

    kept = (await ops.get(f"{ROOT}/upper/revisions?page_size=1")).json()
    assert ([one["revision"] for one in kept["result"]], kept["result"][0]["comment"]) == ([2], "new")
    older = (await ops.get(f"{ROOT}/upper/revisions?page_token={kept['next_page_token']}")).json()
    assert ([one["revision"] for one in older["result"]], older["next_page_token"]) == ([1], "")
    assert (await ops.get(f"{ROOT}/upper/revisions/1")).json() == older["result"][0]
    patch = (await ops.get(f"{ROOT}/upper/diff?from=1&to=2")).json()["patch"]
    assert {"op": "replace", "path": "/config/model", "value": "b"} in patch
    assert "SECRET" not in str(patch)
    assert refusal(await ops.get(f"{ROOT}/upper/revisions/9")) == (404, "REVISION_NOT_FOUND")

    entry, _ = (await ops.get(f"{ROOT}/upper/audit")).json()["result"]
    assert entry["changes"]["config"]["new"] == {"api_key": "[REDACTED]", "model": "b"}
    assert (entry["changed_by"], entry["source"], entry["request_id"][:4]) == ("key:test", "rest", "req_")
    assert (await ops.get("/v1.0/router/audit?page_size=1")).json()["result"][0]["id"] == entry["id"]
    assert (await ops.post("/v1.0/router/audit:verify")).json() == {
        "ok": True, "checked": entry["id"], "first_bad": None, "head": entry["id"],
    }  # fmt: skip


@pytest.mark.contract("router X-9, X-11, S-8")
async def test_a_reload_adopts_sql_and_stats_tell_of_it(ops: httpx.AsyncClient, world: World) -> None:
    world.sql("UPDATE extensions SET timeout_ms = 90 WHERE id = 'normalize_text'")
    await ops.post(ROOT, json={**UPPER, "config": {"token": "file:upper"}})

    done = (await ops.post("/v1.0/router/registry:reload")).json()

    assert (done["ok"], done["changed"], done["rejected"]) == (True, 1, [])
    stats = (await ops.get("/v1.0/router/stats")).json()
    assert (stats["load_count"], stats["error_count"], stats["total_extensions"]) == (2, 0, 7)
    served = (await ops.get("/v1.0/router/effective")).json()
    assert {one["id"]: one for one in served["extensions"]}["upper"]["config"] == {"token": "[REDACTED]"}
    assert (await ops.get(f"{ROOT}/upper")).json()["config"] == {"token": "file:upper"}
    assert (await (await client(world, "viewer")).get(f"{ROOT}/upper")).json()["config"] == {"token": "[REDACTED]"}


POLICIES = "/v1.0/router/policies"
RUN = "/v1.0/router/pipelines"
MESSAGE = {"policy_id": "empty", "message": {"payload": "text"}}
ACTIONS: list[tuple[rights.Right, str, str, dict[str, Any] | None]] = [
    ("read extensions", "GET", ROOT, None),
    ("read extensions", "GET", f"{ROOT}/upper", None),
    ("read extensions", "GET", f"{ROOT}/upper/health", None),
    ("read extensions", "GET", "/v1.0/router/health", None),
    ("read extensions", "GET", "/v1.0/router/breakers", None),
    ("read extensions", "GET", "/v1.0/router/stats", None),
    ("read extensions", "GET", f"{ROOT}/upper/revisions", None),
    ("read extensions", "GET", f"{ROOT}/upper/revisions/1", None),
    ("read extensions", "GET", f"{ROOT}/upper/diff?from=1&to=1", None),
    ("read extensions", "GET", POLICIES, None),
    ("read extensions", "GET", f"{POLICIES}/empty", None),
    ("write policies", "POST", POLICIES, {"policy_id": "new", "document": {}}),
    ("write policies", "PUT", f"{POLICIES}/empty", {"document": {}}),
    ("write policies", "PATCH", f"{POLICIES}/empty", {"enabled": True}),
    ("run a pipeline", "POST", f"{RUN}:run", MESSAGE),
    ("run a pipeline", "POST", f"{RUN}:dry_run", MESSAGE),
    ("write policies", "DELETE", f"{POLICIES}/empty", None),
    ("write extensions", "POST", ROOT, {**UPPER, "id": "other", "subject": "beamline.ext.pre.other.v1"}),
    ("write extensions", "PUT", f"{ROOT}/upper", {"timeout_ms": 40}),
    ("write extensions", "PATCH", f"{ROOT}/upper", {"timeout_ms": 50}),
    ("write extensions", "POST", f"{ROOT}/upper/disable", None),
    ("write extensions", "POST", f"{ROOT}/upper/enable", None),
    ("write extensions", "POST", f"{ROOT}/upper/rollback", {"to_revision": 1}),
    ("write extensions", "POST", f"{ROOT}/upper/breaker", {"force": "closed"}),
    ("write extensions", "DELETE", f"{ROOT}/upper", None),
    ("write extensions", "POST", f"{ROOT}/upper/restore", None),
    ("run the registry", "POST", "/v1.0/router/registry:reload", None),
    ("run the registry", "GET", "/v1.0/router/nodes", None),
    ("run the registry", "GET", "/v1.0/router/effective", None),
    ("read the audit", "GET", "/v1.0/router/audit", None),
    ("read the audit", "GET", f"{ROOT}/upper/audit", None),
    ("read the audit", "POST", "/v1.0/router/audit:verify", None),
]
READS, OF_POLICIES = "read extensions", {"write policies", "run a pipeline"}
ALLOWED: dict[str, set[str]] = {
    "viewer": {READS},
    "manager": {READS, *OF_POLICIES},
    "admin": {READS, *OF_POLICIES},
    "auditor": {READS, "read the audit"},
    "operator": {READS, *OF_POLICIES, "write extensions", "run the registry", "read the audit"},
    "stranger": set(),
}


@pytest.mark.contract("router X-28, R-11a, R-11b, F-22")
@pytest.mark.parametrize("role", ALLOWED)
async def test_each_role_may_what_the_table_says_and_nothing_else(
    ops: httpx.AsyncClient, world: World, role: str
) -> None:
    whose = f"customer_id={world.customer}"
    await ops.post(ROOT, json=UPPER)
    await ops.post(f"{POLICIES}?{whose}", json={"policy_id": "empty", "document": {}})
    someone = await client(world, role, of_customer=role != "operator")
    for right, method, path, body in ACTIONS:
        named = f"?{whose}" if role == "operator" and path.startswith((POLICIES, RUN)) else ""
        answer = await someone.request(method, path + named, json=body)
        if right in ALLOWED[role]:
            assert answer.is_success, (path, answer.text)
        else:
            assert refusal(answer) == (403, "PERMISSION_DENIED"), path


@pytest.mark.contract("router R-11c")
async def test_a_customer_sees_what_is_for_everybody_and_for_them(ops: httpx.AsyncClient, world: World) -> None:
    for id, allowed in (("upper", [str(world.customer)]), ("lower", [str(uuid4())]), ("plain", None)):
        metadata = {} if allowed is None else {"allowed_tenants": allowed}
        await ops.post(
            ROOT, json={"id": id, "type": "pre", "subject": f"beamline.ext.pre.{id}.v1", "metadata": metadata}
        )
    customer = await client(world, "viewer")

    seen = {one["id"] for one in (await customer.get(f"{ROOT}?type=pre")).json()["result"]}

    assert seen == {"upper", "plain", "normalize_text"}
    for path in (f"{ROOT}/lower", f"{ROOT}/lower/health"):
        assert refusal(await customer.get(path)) == (404, "EXTENSION_NOT_FOUND")
    assert "lower" not in {one["extension_id"] for one in (await customer.get("/v1.0/router/health")).json()["result"]}


@pytest.mark.contract("router R-11a, S-8")
@pytest.mark.parametrize("role", ["auditor", "viewer"])
async def test_a_key_of_the_platform_that_is_not_the_operators_is_no_way_to_customers(
    ops: httpx.AsyncClient, world: World, role: str
) -> None:
    await ops.post(ROOT, json={**UPPER, "config": {"token": "file:upper"}})
    someone = await client(world, role, of_customer=False)
    before = world.everything()

    for method, path, body in (
        ("POST", "/v1.0/extensions", {"extension": "1001"}), ("GET", "/v1.0/extensions", None),
        ("PUT", "/v1.0/customer_domain", {"domain_label": "acme"}), ("GET", "/v1.0/trunks", None),
    ):  # fmt: skip
        for query in ("", f"?customer_id={world.customer}"):
            assert refusal(await someone.request(method, path + query, json=body)) == (403, "PERMISSION_DENIED")
    assert world.everything() == before
    assert (await someone.get(f"{ROOT}/upper")).json()["config"] == {"token": "[REDACTED]"}


@pytest.mark.contract("router R-4a, R-11c, S-8")
async def test_customers_read_what_became_of_what_is_for_them_without_references(
    ops: httpx.AsyncClient, world: World
) -> None:
    await ops.post(ROOT, json={**UPPER, "config": {"token": "file:upper"}})
    assert (await ops.patch(f"{ROOT}/upper", json={"config": {"token": "file:other"}})).status_code == 200
    theirs, paths = await client(world, "viewer"), ("revisions", "revisions/1", "diff?from=1&to=2")

    seen = [await theirs.get(f"{ROOT}/upper/{path}") for path in paths]
    await ops.patch(f"{ROOT}/upper", json={"metadata": {"allowed_tenants": [str(uuid4())]}})
    hidden = [refusal(await theirs.get(f"{ROOT}/upper/{path}")) for path in paths]

    assert [answer.status_code for answer in seen] == [200] * 3
    assert "file:" not in "".join(answer.text for answer in seen)
    assert seen[1].json()["document"]["config"] == {"token": "[REDACTED]"}
    assert (await ops.get(f"{ROOT}/upper/revisions/1")).json()["document"]["config"] == {"token": "file:upper"}
    assert hidden == [(404, "EXTENSION_NOT_FOUND")] * 3


@pytest.mark.contract("router R-11a")
async def test_a_customers_key_that_says_it_is_the_operators_is_none(ops: httpx.AsyncClient, world: World) -> None:
    someone = await client(world, "operator")

    assert refusal(await someone.post(ROOT, json=UPPER)) == (403, "PERMISSION_DENIED")
    assert refusal(await someone.get("/v1.0/router/effective")) == (403, "PERMISSION_DENIED")


@pytest.mark.contract("router R-11a, F-5")
async def test_a_process_answers_for_the_services_that_it_runs(ops: httpx.AsyncClient, world: World) -> None:
    router, registrar = ROOT, f"/v1.0/extensions?customer_id={world.customer}"
    wanted = {
        "all": {router: 200, registrar: 200},
        "registrar-manager,api-manager": {router: 404, registrar: 200},
        "router-manager,api-manager": {router: 200, registrar: 404},
        "api-manager": {router: 404, registrar: 200},
    }
    seen = {}
    for services in wanted:
        process = assemble(world.settings.model_copy(update={"services": services}), Opened(world.ringback.database))
        await process.router.loader.reload()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=process.gateway), base_url="http://ringback", headers=ops.headers
        ) as http:
            seen[services] = {path: (await http.get(path)).status_code for path in (router, registrar)}
            described = (await http.get("/openapi.json")).json()["paths"]
            assert (ROOT in described) == (seen[services][router] == 200)
            about = (await http.get("/")).json()
            assert services in ("all", ",".join(about["services"]))

    assert seen == wanted


@pytest.mark.contract("router R-1e, F-5")
async def test_a_registry_that_was_never_loaded_is_not_an_empty_one(operator: httpx.AsyncClient) -> None:
    for path in (ROOT, f"{ROOT}/pii_guard", "/v1.0/router/health", "/v1.0/router/effective"):
        assert refusal(await operator.get(path)) == (503, "NOT_READY")
    ready = (await operator.get("/ready")).json()
    assert ready["router"] == {"status": "not ready", "source": "none", "revision": 0, "age_s": None}


@pytest.mark.contract("router R-11c, R-11a")
async def test_a_customers_auditor_reads_of_the_audit_what_was_done_to_records_that_they_see(
    ops: httpx.AsyncClient, world: World
) -> None:
    for id, allowed in (("upper", str(world.customer)), ("lower", str(uuid4()))):
        subject = f"beamline.ext.pre.{id}.v1"
        await ops.post(
            ROOT, json={"id": id, "type": "pre", "subject": subject, "metadata": {"allowed_tenants": [allowed]}}
        )
    theirs, platforms = await client(world, "auditor"), await client(world, "auditor", of_customer=False)

    async def entries(of: httpx.AsyncClient, path: str) -> set[str]:
        return {one["extension_id"] for one in (await of.get(f"/v1.0/router/{path}")).json()["result"]}

    assert {"upper", "lower"} <= await entries(platforms, "audit")
    seen = await entries(theirs, "audit")
    assert ("upper" in seen, "lower" in seen, "pii_guard" in seen) == (True, False, True)
    assert await entries(theirs, "extensions/lower/audit") == set()
    assert await entries(platforms, "extensions/lower/audit") == {"lower"}


@pytest.mark.contract("router 6.1")
async def test_every_answer_names_the_revision_of_the_registry_failures_too(ops: httpx.AsyncClient) -> None:
    root = "/v1.0/router"
    made = await ops.post(ROOT, json=UPPER)
    reads = ("stats", "nodes", "effective", "audit", "health", "breakers", "policies", "extensions/upper/revisions")

    answers = [await ops.get(f"{root}/{path}") for path in (*reads, "extensions/upper/revisions/1")]
    failures = [
        await ops.get(f"{ROOT}/nobody"),
        await ops.post(ROOT, json=UPPER),
        await ops.post(ROOT, json={}),
        await ops.get(ROOT, headers={"authorization": ""}),
        await ops.post(f"{root}/pipelines:run", json={"policy_id": "p", "message": {}}),
    ]

    assert [answer.status_code for answer in answers] == [200] * 9
    assert [answer.status_code for answer in failures] == [404, 409, 400, 401, 400]
    assert {one.headers.get("x-registry-revision") for one in (*answers, *failures)} == {
        made.headers["x-registry-revision"]
    }
    assert "x-registry-revision" not in (await ops.get("/v1.0/extensions")).headers
