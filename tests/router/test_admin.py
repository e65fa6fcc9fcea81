"""Beamline's admin subjects: who may ask them, what they answer, and how they refuse."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import pytest

from ringback.api.admission import Admission
from ringback.customers.keys import service as keys
from ringback.customers.keys.model import AccessKey, new_token, token_hash
from ringback.customers.rights import may
from ringback.kit.bus import Bus, Letter, Services
from ringback.kit.db import Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.router.admin.door import ROOT, Door
from ringback.router.admin.subjects import SUBJECTS
from ringback.router.workers.serving import serving as workers_serving
from ringback.transports.memory import MemoryServices
from tests.patience import ENOUGH
from tests.servers.nats import Nats
from tests.transports.links import linked
from tests.world import MakeWorld, World

pytestmark = [pytest.mark.sqlite, pytest.mark.contract("router F-22")]

DOCUMENT = {"pre": [{"id": "normalize_text"}], "validators": [{"id": "pii_guard"}], "post": []}
DRY_RUN: Final = "dry_run_pipeline"
READING = ("get_extension_health", "get_circuit_breaker_states", "get_pipeline_complexity")
ROLES = ("viewer", "manager", "admin", "auditor", "operator", "stranger")


class Asker:
    """Somebody who asks on NATS, with a key or without one."""

    def __init__(self, bus: Bus, token: str | None) -> None:
        self._bus = bus
        self._token = token

    async def ask(self, name: str, body: object = None, **headers: str) -> dict[str, Any]:
        """The reply to a body, bytes as they are, anything else as JSON."""
        if self._token is not None:
            headers = {"Authorization": f"Bearer {self._token}", **headers}
        sent = body if isinstance(body, bytes) else msgspec.json.encode({} if body is None else body)
        reply = await self._bus.request(ROOT + name, Letter(sent, headers), ENOUGH)
        assert reply.headers.keys() == {"X-Request-Id"}
        return dict(msgspec.json.decode(reply.body))

    async def refusal(self, name: str, body: object = None, **headers: str) -> str:
        """The code of an error, after a look at its whole form."""
        answer = await self.ask(name, body, **headers)
        assert answer.keys() == {"ok", "error"}
        assert answer["ok"] is False
        assert answer["error"].keys() == {"code", "message", "details"}
        assert answer["error"]["message"].endswith(".")
        return str(answer["error"]["code"])


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()


@asynccontextmanager
async def serving(world: World, services: Services, admission: Admission | None = None) -> AsyncIterator[None]:
    """Its admin subjects there, of a registry that is loaded and knows the policy `support` of its customer."""
    assert (await world.ringback.router.loader.reload()).ok
    await adopt(world)
    door = Door(world.ringback.router.work, admission, "") if admission else world.ringback.admin
    async with door.serving(services, SUBJECTS):
        yield


@pytest.fixture(params=["memory", pytest.param("nats", marks=pytest.mark.process)])
async def bus(request: pytest.FixtureRequest, world: World) -> AsyncIterator[Bus]:
    """Where the admin subjects of the world are served."""
    if request.param == "memory":
        memory = MemoryServices()
        async with serving(world, memory):
            yield memory
        return
    nats: Nats = request.getfixturevalue("nats")
    async with linked(nats) as link, linked(nats) as asking, serving(world, link.services()):
        yield asking.bus()


async def adopt(world: World) -> None:
    async with await world.http() as http:
        made = await http.post("/v1.0/router/policies", json={"policy_id": "support", "document": DOCUMENT})
    assert made.status_code == 201, made.text


async def token_of(world: World, role: str, *, of_customer: bool = True) -> str:
    token = new_token()
    customer = world.customer if of_customer else None
    await world.ringback.work.write(lambda uow: keys.keep(uow, token, customer, role, role))
    return token.reveal()


async def asker(world: World, bus: Bus, role: str) -> Asker:
    return Asker(bus, await token_of(world, role, of_customer=role != "operator"))


def body_of(name: str, customer: UUID) -> dict[str, Any]:
    """What is asked under each name."""
    of_policy = {"tenant_id": str(customer), "policy_id": "support"}
    if name == DRY_RUN:
        return {**of_policy, "payload": {"payload": "text"}}
    return of_policy if "pipeline" in name else {}


@pytest.mark.contract("router X-28, R-11a, R-11b")
@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_what_the_table_of_rights_says(bus: Bus, world: World, role: str) -> None:
    someone = await asker(world, bus, role)
    for subject in SUBJECTS:
        answer = await someone.ask(subject.name, body_of(subject.name, world.customer))
        if may({role}, subject.right):
            assert answer.get("error", {"code": "PIPELINE_ERROR"})["code"] == "PIPELINE_ERROR", (subject.name, answer)
        else:
            assert details_code(answer) == "permission_denied", (subject.name, answer)


def details_code(answer: Mapping[str, Any]) -> str:
    """The code in lower case, wherever it stands."""
    error = answer["error"]
    return str(error["details"].get("code", error["code"]))


async def test_without_a_key_or_with_none_that_is_known_nothing_is_answered(bus: Bus, world: World) -> None:
    for subject in SUBJECTS:
        body = body_of(subject.name, world.customer)
        assert details_code(await Asker(bus, None).ask(subject.name, body)) == "authentication_required"
        for token in ("", "rb_nonsense", "x" * 5000):
            assert details_code(await Asker(bus, token).ask(subject.name, body)) == "invalid_credentials"


@pytest.mark.contract("router R-11a")
async def test_a_revoked_key_is_refused_at_its_next_request(bus: Bus, world: World) -> None:
    token = await token_of(world, "viewer")
    someone = Asker(bus, token)
    assert "health" in await someone.ask("get_extension_health")

    await world.ringback.work.write(lambda uow: keys.revoke(uow, token[:10]))

    assert await someone.refusal("get_extension_health") == "invalid_credentials"


@pytest.mark.contract("router R-1e, R-11a")
async def test_while_the_database_is_away_the_keys_of_the_nodes_file_are_known_and_no_others(world: World) -> None:
    token, revoked = await token_of(world, "viewer"), await token_of(world, "viewer")
    hashes = {token_hash(token)}
    found = {row["token_hash"]: row for row in world.sql("SELECT * FROM registrar_accesskeys")}
    kept = {hash: AccessKey(uuid4(), world.customer, "kept", hash, "rb_", ("viewer",), world.now) for hash in found}

    def known(text: str) -> AccessKey | None:
        return kept.get(hash) if (hash := token_hash(text)) in hashes else None

    def fail(statement: Statement) -> None:
        raise DatabaseUnavailable

    away, body = MemoryServices(), body_of("get_pipeline_complexity", world.customer)
    async with serving(world, away, Admission(world.ringback.work, known)):
        world.before_statement = fail

        assert (await Asker(away, token).ask("get_pipeline_complexity", body))["total_extensions"] == 2
        assert await Asker(away, token).refusal("get_extension_health") == "database_unavailable"
        assert await Asker(away, revoked).refusal("get_pipeline_complexity", body) == "invalid_credentials"
        hashes.clear()
        assert await Asker(away, token).refusal("get_pipeline_complexity", body) == "invalid_credentials"


@pytest.mark.contract("router R-11a")
async def test_who_sends_no_key_may_read_where_the_settings_say_viewer_and_never_run(make_world: MakeWorld) -> None:
    world = make_world(nats_anonymous_role="viewer")
    bus = MemoryServices()
    async with serving(world, bus):
        nobody = Asker(bus, None)
        for subject in SUBJECTS:
            answer = await nobody.ask(subject.name, body_of(subject.name, world.customer))
            assert ("error" not in answer) == (subject.name in READING), answer
            assert subject.name in READING or details_code(answer) == "authentication_required"
        assert await nobody.refusal("get_pipeline_complexity", {"policy_id": "support"}) == "validation_failed"
        assert await Asker(bus, "rb_wrong").refusal("get_extension_health") == "invalid_credentials"


@pytest.mark.contract("router R-11a, R-11b")
async def test_a_key_that_is_held_to_networks_is_no_key_here(bus: Bus, world: World) -> None:
    token = await token_of(world, "viewer")
    world.sql("UPDATE registrar_accesskeys SET source_cidrs = ? WHERE name = 'viewer'", '["192.0.2.0/24"]')

    assert await Asker(bus, token).refusal("get_extension_health") == "source_not_allowed"


@pytest.mark.contract("router R-11c")
async def test_a_customer_asks_for_themselves_and_the_operator_for_whom_they_name(bus: Bus, world: World) -> None:
    theirs, ops = await asker(world, bus, "viewer"), await asker(world, bus, "operator")
    name, own, other = "get_pipeline_complexity", str(world.customer), str(uuid4())

    for body in ({"policy_id": "support"}, {"tenant_id": own, "policy_id": "support"}):
        assert (await theirs.ask(name, body))["total_extensions"] == 2
    assert await theirs.refusal(name, {"tenant_id": other, "policy_id": "support"}) == "permission_denied"
    assert await theirs.refusal("get_extension_health", {"tenant_id": other}) == "permission_denied"
    assert (await ops.ask(name, {"tenant_id": own, "policy_id": "support"}))["total_extensions"] == 2
    assert await ops.refusal(name, {"tenant_id": other, "policy_id": "support"}) == "policy_not_found"
    answer = await ops.ask(name, {"policy_id": "support"})
    assert [fault["field"] for fault in answer["error"]["details"]["fields"]] == ["tenant_id"]


@pytest.mark.contract("router R-11c")
async def test_customers_see_the_health_of_what_is_for_them(bus: Bus, world: World) -> None:
    world.sql("""UPDATE extensions SET metadata = '{"allowed_tenants":[]}' WHERE id = 'pii_guard'""")
    await world.ringback.router.loader.reload()
    theirs, ops = await asker(world, bus, "viewer"), await asker(world, bus, "operator")

    seen = {
        "customer": await theirs.ask("get_extension_health"),
        "operator": await ops.ask("get_extension_health"),
        "for the customer": await ops.ask("get_extension_health", {"tenant_id": str(world.customer)}),
    }

    counts = {who: len(answer["health"]) for who, answer in seen.items()}
    assert counts == {"customer": 5, "operator": 6, "for the customer": 5}
    assert "pii_guard" not in seen["customer"]["health"]


async def test_health_has_the_shape_of_rest_and_the_windows_figures_at_its_top(bus: Bus, world: World) -> None:
    someone = await asker(world, bus, "viewer")
    async with await world.http() as http:
        shown = (await http.get("/v1.0/router/extensions/pii_guard/health")).json()

    found = (await someone.ask("get_extension_health"))["health"]["pii_guard"]

    top = {name: found.pop(name) for name in found.keys() - shown.keys()}
    assert found == shown
    assert top == {
        name: shown["window"][name]
        for name in ("success_rate", "p50_latency_ms", "p95_latency_ms", "p99_latency_ms", "latency_samples")
    }


async def test_breakers_are_told_as_rest_tells_them_by_their_id(bus: Bus, world: World) -> None:
    someone = await asker(world, bus, "viewer")
    async with await world.http(await world.key(None)) as http:
        forced = await http.post("/v1.0/router/extensions/pii_guard/breaker", json={"force": "open"})
        assert forced.status_code == 200
        world.frozen = True
        shown = {one["extension_id"]: one for one in (await http.get("/v1.0/router/breakers")).json()["result"]}

    found = (await someone.ask("get_circuit_breaker_states"))["states"]

    assert found.keys() == shown.keys()
    names = {"extension_id", "state", "opened_at", "failure_count", "error_rate"}
    assert found["pii_guard"] == {name: shown["pii_guard"][name] for name in names}
    assert found["pii_guard"]["state"] == "open"


@pytest.mark.contract("router P-5")
async def test_complexity_is_that_of_the_stored_policy_with_what_was_measured(bus: Bus, world: World) -> None:
    someone = await asker(world, bus, "viewer")
    now = world.now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    world.sql(
        "INSERT INTO extension_health (extension_id, node_id, window_success, p95_latency_ms, updated_at)"
        " VALUES ('pii_guard', 'other', 3, 12.5, ?)",
        now,
    )

    found = await someone.ask("get_pipeline_complexity", {"policy_id": "support"})

    assert found == {
        "total_extensions": 2, "pre_count": 1, "validators_count": 1, "post_count": 0,
        "complexity_score": 30, "complexity_level": "medium", "estimated_latency_ms": 42.5,
        "recommended_limits": {"max_total": 4, "max_pre": 2, "max_validators": 2, "max_post": 2},
        "warnings": [], "recommendations": [],
    }  # fmt: skip


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b'"text"', b"[" * 100_000])
async def test_what_is_no_object_is_refused(bus: Bus, world: World, body: bytes) -> None:
    someone = await asker(world, bus, "viewer")

    for name in ("get_extension_health", "get_pipeline_complexity"):
        assert await someone.refusal(name, body) == "invalid_json_body"
    assert "health" in await someone.ask("get_extension_health", b"")


async def test_every_wrong_field_is_named(bus: Bus, world: World) -> None:
    someone = await asker(world, bus, "viewer")

    answer = await someone.ask("get_pipeline_complexity", {"tenant_id": "me", "policy_id": 7})

    assert {fault["field"] for fault in answer["error"]["details"]["fields"]} == {"tenant_id", "policy_id"}


async def test_what_goes_wrong_on_our_side_is_told_without_its_text(bus: Bus, world: World) -> None:
    someone = await asker(world, bus, "viewer")

    def fail(statement: Statement) -> None:
        if "extension_health" in repr(statement):
            raise ZeroDivisionError("a word of ours")

    world.before_statement = fail

    answer = await someone.ask("get_extension_health")

    assert (answer["error"]["code"], "word" in str(answer)) == ("internal", False)


# ---- dry runs ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def workers(world: World) -> AsyncIterator[None]:
    """The built-in ones, on the bus of this world's process."""
    async with workers_serving(world.ringback.router.services, world.settings):
        yield


@pytest.mark.contract("router R-12, F-13")
@pytest.mark.usefixtures("workers")
async def test_a_dry_run_is_that_of_rest(bus: Bus, world: World) -> None:
    someone = await asker(world, bus, "manager")
    asked = {"policy_id": "support", "payload": {"payload": " Some TEXT "}, "trace_id": "t-1"}
    async with await world.http() as http:
        shown = (await http.post("/v1.0/router/pipelines:dry_run", json=asked)).json()

    answer = await someone.ask(DRY_RUN, {"tenant_id": str(world.customer), **asked})

    assert (set(answer), answer["ok"]) == ({"ok", "result"}, True)
    assert lasting(answer["result"]) == lasting(shown)
    assert answer["result"]["final_payload"] == {"payload": "some text"}


@pytest.mark.contract("router R-11a, R-11b")
async def test_a_document_is_tried_by_those_who_may_write_policies(bus: Bus, world: World) -> None:
    inline = {"policy": {}, "payload": {"payload": "text"}}
    async with await world.http() as http:
        bot = (await http.post("/v1.0/accesskeys", json={"name": "bot", "scopes": ["pipeline:run"]})).json()

    refused = await Asker(bus, bot["key"]).ask(DRY_RUN, inline)

    assert refused["error"]["details"]["code"] == "permission_denied"
    assert (await (await asker(world, bus, "manager")).ask(DRY_RUN, inline))["ok"]


def lasting(value: Any) -> Any:
    """What is the same at each run."""
    if isinstance(value, list):
        return [lasting(one) for one in value]
    if isinstance(value, dict):
        return {name: lasting(one) for name, one in value.items() if name not in ("latency_ms", "request_id")}
    return value


@pytest.mark.contract("router R-12, F-24")
@pytest.mark.usefixtures("workers")
async def test_a_validators_word_is_a_result_of_a_dry_run(bus: Bus, world: World) -> None:
    someone = await asker(world, bus, "manager")

    answer = await someone.ask(DRY_RUN, {"policy_id": "support", "payload": {"payload": "card 4111 1111 1111 1111"}})

    assert (answer["ok"], answer["result"]["blocked_by"]) == (True, "pii_guard")


@pytest.mark.contract("router R-12")
async def test_a_pipeline_that_fails_is_told_by_beamlines_code_and_ours(bus: Bus, world: World) -> None:
    someone = await asker(world, bus, "manager")

    answer = await someone.ask(DRY_RUN, {"policy_id": "support", "payload": {"payload": "some text"}})

    assert answer["error"]["code"] == "PIPELINE_ERROR"
    details = answer["error"]["details"]
    assert (details["code"], details["blocked_by"]) == ("pre_processor_failed", "normalize_text")
    assert details["executed_extensions"][0]["status"] == "error"
    assert "some text" not in str(answer)


@pytest.mark.contract("router R-12")
async def test_what_cannot_be_run_dry_has_beamlines_codes_too(bus: Bus, world: World) -> None:
    someone, ops = await asker(world, bus, "manager"), await asker(world, bus, "operator")
    message = {"payload": {"payload": "text"}}

    async def codes(of: Asker, body: object) -> tuple[str, str]:
        error = (await of.ask(DRY_RUN, body))["error"]
        return error["code"], error["details"]["code"]

    assert await codes(someone, {"policy_id": "other", **message}) == ("POLICY_NOT_FOUND", "policy_not_found")
    for wrong in ({"policy_id": "support"}, {"policy_id": "support", **message, "more": 1}, b"[]", {}):
        assert (await codes(someone, wrong))[0] == "INVALID_ARGUMENT"
    assert await codes(ops, {"policy_id": "support", **message}) == ("INVALID_ARGUMENT", "validation_failed")
    another = {"tenant_id": str(uuid4()), "policy_id": "support", **message}
    assert await codes(someone, another) == ("INVALID_ARGUMENT", "permission_denied")
    assert await codes(Asker(bus, None), another) == ("INVALID_ARGUMENT", "authentication_required")
    world.fail_at(0)
    assert await codes(someone, {"policy_id": "support", **message}) == ("INTERNAL_ERROR", "internal")
