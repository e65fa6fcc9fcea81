"""Runs and dry runs over REST: who may, what comes back, what a failure tells, and that no database is needed."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from structlog.testing import capture_logs

from ringback.api.call import Call, Caller
from ringback.customers.keys import service as keys
from ringback.customers.keys.model import new_token
from ringback.kit.bus import Letter
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.reading import read
from ringback.router.pipelines.running import Run
from ringback.router.pipelines.wire import PipelineResult, PipelineRun
from ringback.router.policies.deadlines import LONGEST
from ringback.routes import ROUTER_REST
from tests import pipelines
from tests.world import World, refusal

pytestmark = pytest.mark.sqlite
RUN, DRY_RUN = "/v1.0/router/pipelines:run", "/v1.0/router/pipelines:dry_run"
HELLO: dict[str, Any] = {"policy_id": "support_en", "message": {"payload": "Hello"}}
MAIL: dict[str, Any] = {"policy_id": "support_en", "message": {"payload": "to anna@example.com"}}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
async def ready(world: World, http: httpx.AsyncClient) -> httpx.AsyncClient:
    """A customer's client, whose policy `support_en` can be run."""
    assert (await world.ringback.router.loader.reload()).ok
    await pipelines.serve(world.ringback, world.customer)
    return http


@pytest.mark.contract("router R-14")
async def test_a_message_goes_through_and_its_trace_comes_back(ready: httpx.AsyncClient, world: World) -> None:
    seen: list[Letter] = []

    async def mask(letter: Letter) -> Letter:
        seen.append(letter)
        return Letter(b'{"payload":"masked"}')

    registry = world.ringback.router.registry
    await world.ringback.router.services.serve("mask", registry.lookup("mask_sensitive_data").subject, mask)
    headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "x-request-id": "ticket-1"}

    with capture_logs() as logs:
        answer = await ready.post(RUN, json={**HELLO, "trace_id": "t-1"}, headers=headers)

    assert answer.status_code == 200
    done = answer.json()
    assert (done["message"], done["reply"]["output"]) == ({"payload": "hello"}, "masked")
    assert [one["status"] for one in done["executed_extensions"]] == ["ok"] * 4
    assert (done["request_id"], done["trace_id"]) == ("ticket-1", "t-1")
    assert answer.headers["x-registry-revision"] == str(registry.snapshot.revision)
    assert seen[0].headers["traceparent"].startswith(f"00-{TRACE}-")
    assert seen[0].headers["X-Request-Id"] == "ticket-1"
    (ran,) = [one for one in logs if one["event"] == "ran"]
    assert (ran["policy_id"], ran["trace_id"], ran["status"], len(ran["steps"])) == ("support_en", "t-1", "ok", 4)


@pytest.mark.contract("router S-5, F-24, P-4")
async def test_a_failure_tells_where_it_ended_and_nothing_of_what_was_sent(ready: httpx.AsyncClient) -> None:
    answer = await ready.post(RUN, json={**MAIL, "context": {"planted": "word"}})

    assert refusal(answer) == (403, "VALIDATOR_BLOCKED")
    error = answer.json()["error"]
    assert error["status"] == "PERMISSION_DENIED"
    assert error["details"] == [{"field": "pattern", "description": "email"}]
    run = error["run"]
    trace = run.pop("executed_extensions")
    assert run == {
        "stage": "validators",
        "extension_id": "pii_guard",
        "cause": "pii_detected",
        "retryable": False,
        "policy_id": "support_en",
    }
    assert [(one["id"], one["status"]) for one in trace] == [("normalize_text", "ok"), ("pii_guard", "error")]
    assert "anna" not in answer.text
    assert "planted" not in answer.text


async def client(world: World, role: str) -> httpx.AsyncClient:
    token = new_token()
    await world.ringback.work.write(lambda uow: keys.keep(uow, token, world.customer, "k", role))
    return await world.http(token.reveal())


@pytest.mark.contract("router S-3, R-11c")
async def test_a_run_is_the_callers_customers_and_the_operator_names_one(
    ready: httpx.AsyncClient, operator: httpx.AsyncClient, world: World
) -> None:
    other = {"customer_id": str(uuid4())}

    assert (await operator.post(RUN, json=HELLO, params={"customer_id": str(world.customer)})).status_code == 200
    assert refusal(await operator.post(RUN, json=HELLO, params=other)) == (404, "POLICY_NOT_FOUND")
    assert refusal(await operator.post(RUN, json=HELLO)) == (400, "VALIDATION_FAILED")
    assert refusal(await operator.post(DRY_RUN, json=HELLO)) == (400, "VALIDATION_FAILED")
    assert refusal(await ready.post(RUN, json=HELLO, params=other)) == (403, "PERMISSION_DENIED")
    assert refusal(await ready.post(RUN, json={**HELLO, "policy_id": "none"})) == (404, "POLICY_NOT_FOUND")
    inline = {"policy": {"pre": [{"id": "normalize_text"}]}, "message": {"payload": "A"}}
    assert (await operator.post(DRY_RUN, json=inline)).json()["final_payload"] == {"payload": "a"}


@pytest.mark.contract("router X-28")
async def test_viewers_and_auditors_run_nothing(ready: httpx.AsyncClient, world: World) -> None:
    for role in ("viewer", "auditor"):
        async with await client(world, role) as other:
            for path in (RUN, DRY_RUN):
                assert refusal(await other.post(path, json=HELLO)) == (403, "PERMISSION_DENIED")


@pytest.mark.contract("router R-11b")
async def test_a_key_with_that_scope_and_no_role_runs_pipelines_and_does_nothing_else(
    ready: httpx.AsyncClient, world: World
) -> None:
    bot = (await ready.post("/v1.0/accesskeys", json={"name": "bot", "scopes": ["pipeline:run"]})).json()

    async with await world.http(bot["key"]) as client:
        for path in (RUN, DRY_RUN):
            assert (await client.post(path, json=HELLO)).status_code == 200
        for path in (
            "extensions",
            "policies",
            "policies/support_en",
            "health",
            "breakers",
            "stats",
            "audit",
            "effective",
        ):
            assert refusal(await client.get(f"/v1.0/router/{path}")) == (403, "PERMISSION_DENIED")
        assert refusal(await client.post("/v1.0/router/policies", json={})) == (403, "PERMISSION_DENIED")


INLINE: dict[str, Any] = {"policy": {}, "message": {"payload": "A"}, "provider": "real"}


@pytest.mark.contract("router R-11a, R-11b, R-12")
@pytest.mark.parametrize(
    ("roles", "scopes", "status"),
    [
        ([], ["pipeline:run"], 403),
        (["manager"], ["pipeline:run"], 403),
        ([], ["pipeline:run", "policies:write"], 403),
        (["manager"], ["pipeline:run", "policies:write"], 200),
        (["manager"], None, 200),
    ],
)
async def test_a_document_is_tried_by_those_who_may_write_policies(
    ready: httpx.AsyncClient, world: World, roles: list[str], scopes: list[str] | None, status: int
) -> None:
    asked = {"name": "bot", **({"roles": roles} if roles else {}), **({"scopes": scopes} if scopes else {})}
    made = (await ready.post("/v1.0/accesskeys", json=asked)).json()

    async with await world.http(made["key"]) as client:
        assert (await client.post(DRY_RUN, json=HELLO)).status_code == 200
        answer = await client.post(DRY_RUN, json=INLINE)

    assert answer.status_code == status
    assert status == 200 or refusal(answer) == (403, "PERMISSION_DENIED")


@pytest.mark.contract("router R-12")
async def test_a_dry_run_answers_also_where_a_run_would_be_refused(ready: httpx.AsyncClient) -> None:
    done = (
        await ready.post(DRY_RUN, json={"policy_id": "support_en", "payload": {"payload": "to a@example.com"}})
    ).json()

    assert (done["blocked_by"], done["final_payload"], done["error"]["reason"]) == (
        "pii_guard",
        None,
        "VALIDATOR_BLOCKED",
    )
    assert [one["would_block"] for one in done["steps"]] == [False, True]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"policy_id": "support_en"},
        {**HELLO, "message": "text"},
        {**HELLO, "policy_id": "no spaces"},
        {**HELLO, "deadline_ms": 0},
        {**HELLO, "deadline_ms": LONGEST + 1},
        {**HELLO, "context": []},
        {**HELLO, "context": {"deadline": "soon"}},
        {**HELLO, "trace_id": "with space"},
        {**HELLO, "more": 1},
        {**HELLO, "message": {"a": [[[[[[[[[[]]]]]]]]]]}},
    ],
)
@pytest.mark.contract("router S-2")
async def test_a_run_that_is_not_understood_is_refused(ready: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await ready.post(RUN, json=body)

    assert refusal(answer) == (400, "VALIDATION_FAILED")
    assert all(fault["rule"] for fault in answer.json()["error"]["details"])


async def test_a_dry_run_names_one_policy_and_one_message(ready: httpx.AsyncClient) -> None:
    wrong: list[dict[str, Any]] = [
        {"message": {}},
        {"policy_id": "support_en"},
        {**HELLO, "policy": {}},
        {**HELLO, "payload": {}},
        {**HELLO, "provider": "none of these"},
        {"policy": {"pre": [{"id": "unknown"}]}, "message": {}},
    ]
    for body in wrong:
        assert refusal(await ready.post(DRY_RUN, json=body)) == (400, "VALIDATION_FAILED"), body
    for body, field, told in (
        ({"message": {}}, "policy_id", "is required, or policy in its place"),
        ({**HELLO, "policy": {}}, "policy", "stands for policy_id: give one of them"),
        ({"policy_id": "support_en", "payload": "x"}, "payload", "must be an object: Beamline's name of message"),
    ):
        (fault,) = (await ready.post(DRY_RUN, json=body)).json()["error"]["details"]
        assert (fault["field"], fault["description"]) == (field, told)


@pytest.mark.contract("router S-2")
@pytest.mark.parametrize("levels", [900, 5000])
async def test_what_is_nested_too_deeply_is_told_so(ready: httpx.AsyncClient, levels: int) -> None:
    body = '{"policy_id":"support_en","message":' + '{"a":' * levels + "1" + "}" * (levels + 1)

    answer = await ready.post(RUN, content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert ("levels" in str(error.get("details"))) is (error["message"] != "The body is nested too deeply.")


@pytest.mark.contract("router S-1")
async def test_what_is_too_large_is_413_by_name(ready: httpx.AsyncClient) -> None:
    for size, context, reason in (
        (1 << 20, {}, "PAYLOAD_TOO_LARGE"),
        (1 << 21, {}, "PAYLOAD_TOO_LARGE"),
        (1, {"a": "x" * (1 << 16)}, "METADATA_TOO_LARGE"),
    ):
        body = {**HELLO, "message": {"payload": "x" * size}, "context": context}
        assert refusal(await ready.post(RUN, json=body)) == (413, reason)


@pytest.mark.contract("router T-3")
async def test_a_thousand_runs_say_nothing_to_the_database(ready: httpx.AsyncClient, world: World) -> None:
    world.statements.clear()
    asked = Run(world.customer, "support_en", {"payload": "Hello"})

    for _ in range(1000):
        await world.ringback.pipelines.run(asked)

    assert world.statements == []
    await ready.post(RUN, json=HELLO)
    of_a_run = len(world.statements)
    world.statements.clear()
    await ready.get("/v1.0/router/stats")
    assert of_a_run == len(world.statements), "who asks is looked up, and no more"


@pytest.mark.contract("router R-1e")
async def test_a_run_goes_on_while_no_statement_is_answered(ready: httpx.AsyncClient, world: World) -> None:
    def fail(statement: object) -> None:
        raise DatabaseUnavailable

    (route,) = (route for route in ROUTER_REST if route.about["name"] == "run_pipeline")
    asked = read(PipelineRun, HELLO)
    caller = Caller(world.customer)
    world.before_statement = fail

    answer = await world.ringback.router.work.read(
        lambda uow: route.answer(Call(uow, world.customer, {}, None, asked, caller=caller))
    )

    assert isinstance(answer.data, PipelineResult)
    assert answer.data.message == {"payload": "hello"}


async def test_a_run_may_take_as_long_as_its_deadline_says_and_holds_no_transaction(
    ready: httpx.AsyncClient, world: World
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(letter: Letter) -> Letter:
        asked.set()
        await go.wait()
        return Letter(b'{"payload":"x"}')

    subject = world.ringback.router.registry.lookup("mask_sensitive_data").subject
    await world.ringback.router.services.serve("mask", subject, slow)
    running = asyncio.ensure_future(ready.post(RUN, json={**HELLO, "deadline_ms": 5000}))
    await asked.wait()
    await world.create("1001")
    go.set()

    assert (await running).status_code == 200
    (about,) = (route.about for route in ROUTER_REST if route.about["name"] == "run_pipeline")
    assert about["patience"] * 1000 > LONGEST
    assert about["reads"]


@pytest.mark.contract("router R-8d")
async def test_who_goes_away_ends_the_run_and_that_counts_as_nothing(world: World, ready: httpx.AsyncClient) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def endless(letter: Letter) -> Letter:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    subject = world.ringback.router.registry.lookup("mask_sensitive_data").subject
    await world.ringback.router.services.serve("mask", subject, endless)
    parts = [{"type": "http.request", "body": httpx.Request("POST", RUN, json=HELLO).content, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if parts:
            return parts.pop()
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        ended.set()

    headers = [(b"authorization", ready.headers["authorization"].encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "method": "POST", "path": RUN, "raw_path": RUN.encode(), "query_string": b"",
        "headers": headers, "client": ("127.0.0.1", 1), "http_version": "1.1", "scheme": "http",
    }  # fmt: skip

    with capture_logs() as logs:
        await world.ringback.gateway(scope, receive, send)

    assert [one["status"] for one in logs if one["event"] == "ran"] == ["cancelled"]
    assert ended.is_set()
