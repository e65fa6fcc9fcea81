"""Breakers over REST: shown, and held open or closed on all nodes."""

from uuid import uuid4

import httpx
import pytest

from ringback.router.extensions.rest import ROOT
from ringback.router.invoking.circuits import Circuit
from tests.api.test_router import client
from tests.world import World

pytestmark = pytest.mark.sqlite
BREAKERS = "/v1.0/router/breakers"


@pytest.fixture
async def ops(world: World, operator: httpx.AsyncClient) -> httpx.AsyncClient:
    """The operator's client, of a registry that is loaded."""
    assert (await world.ringback.router.loader.reload()).ok
    return operator


def circuit(world: World, id: str = "pii_guard") -> Circuit:
    registry = world.ringback.router.registry
    return registry.circuits.of(registry.lookup(id))


def fail(world: World, times: int, id: str = "pii_guard") -> None:
    one = circuit(world, id)
    for _ in range(times):
        turn = one.breaker.admit(world.ticks + 1)
        assert turn is not None
        one.breaker.ended(turn, False)
        one.count(world.ticks, 7, succeeded=False)


async def breaker(ops: httpx.AsyncClient, id: str = "pii_guard") -> dict[str, object]:
    answer = await ops.get(BREAKERS)
    assert answer.status_code == 200
    return next(one for one in answer.json()["result"] if one["extension_id"] == id)


@pytest.mark.contract("router R-8a, R-8e")
async def test_breakers_are_shown_with_what_they_know(ops: httpx.AsyncClient, world: World) -> None:
    assert await breaker(ops) == {
        "extension_id": "pii_guard", "state": "closed", "reason": None, "opened_at": None, "failure_count": 0,
        "error_rate": None, "breaker_override": None, "nodes": [],
    }  # fmt: skip
    fail(world, 3)
    shown = await breaker(ops)
    assert (shown["state"], shown["failure_count"], shown["error_rate"]) == ("closed", 3, 1.0)
    fail(world, 2)

    shown = await breaker(ops)

    assert (shown["state"], shown["reason"]) == ("open", "consecutive")
    assert shown["opened_at"]
    assert (await ops.get(f"{ROOT}/pii_guard")).json()["breaker"] == {"state": "open"}
    assert (await ops.get(f"{ROOT}/pii_guard/health")).json()["circuit_breaker_state"] == "open"
    assert (await ops.get(f"{ROOT}?type=validator")).json()["result"][0]["breaker"] == {"state": "open"}


@pytest.mark.contract("router R-8e, R-5a")
async def test_the_operator_holds_a_breaker_open_and_lets_it_go(ops: httpx.AsyncClient, world: World) -> None:
    registry = world.ringback.router.registry

    forced = await ops.post(f"{ROOT}/pii_guard/breaker", json={"force": "open", "comment": "away"})

    assert (forced.status_code, forced.json()["breaker_override"], forced.json()["revision"]) == (200, "open", 2)
    assert forced.json()["breaker"] == {"state": "open"}
    assert registry.circuits.is_open("pii_guard")
    assert (await breaker(ops))["reason"] == "forced"
    entry = (await ops.get(f"{ROOT}/pii_guard/audit?page_size=1")).json()["result"][0]
    assert (entry["action"], entry["changes"]["breaker_override"]) == ("breaker_forced", {"old": None, "new": "open"})
    assert (await ops.get(f"{ROOT}/pii_guard/revisions")).json()["result"][0]["comment"] == "away"
    again = await ops.post(f"{ROOT}/pii_guard/breaker", json={"force": "open"})
    assert (again.status_code, again.json()["revision"]) == (200, 2)
    for force in ("closed", "open", "none"):
        answer = await ops.post(f"{ROOT}/pii_guard/breaker", json={"force": force})
        assert (answer.status_code, answer.json()["breaker"]["state"]) == (
            200,
            registry.circuits.by_id["pii_guard"].breaker.state,
        )
    assert (answer.json()["breaker_override"], answer.json()["breaker"]) == (None, {"state": "closed"})
    fail(world, 5)
    nothing = await ops.post(f"{ROOT}/pii_guard/breaker", json={"force": "none"})
    assert nothing.json()["breaker"] == {"state": "open"}, "what was not forced is not let go"


@pytest.mark.contract("router R-8e, R-6a")
@pytest.mark.parametrize(
    ("id", "body", "match", "code"),
    [
        ("pii_guard", {"force": "ajar"}, None, 400),
        ("pii_guard", {}, None, 400),
        ("pii_guard", {"force": "open", "how": 1}, None, 400),
        ("nobody", {"force": "open"}, None, 404),
        ("pii_guard", {"force": "open"}, '"7"', 412),
    ],
)
async def test_what_cannot_be_forced_is_refused(
    ops: httpx.AsyncClient, world: World, id: str, body: dict[str, object], match: str | None, code: int
) -> None:
    answer = await ops.post(f"{ROOT}/{id}/breaker", json=body, headers={"If-Match": match} if match else {})

    assert answer.status_code == code
    assert world.ringback.router.registry.snapshot.by_id["pii_guard"].breaker_override is None


@pytest.mark.contract("router R-8e, R-2b")
async def test_a_breaker_that_is_forced_by_sql_is_so_after_the_next_load(ops: httpx.AsyncClient, world: World) -> None:
    world.sql("UPDATE extensions SET breaker_override = 'open' WHERE id = 'pii_guard'")

    await world.ringback.router.loader.reload()

    assert world.ringback.router.registry.circuits.is_open("pii_guard")
    entry = (await ops.get(f"{ROOT}/pii_guard/audit?page_size=1")).json()["result"][0]
    assert (entry["action"], entry["changed_by"]) == ("breaker_forced", "external:sql")


async def test_while_the_database_is_away_those_of_the_answering_node_are_shown(
    ops: httpx.AsyncClient, world: World
) -> None:
    fail(world, 5)
    assert (await ops.get(f"{ROOT}/pii_guard")).json()["health"]["status"] == "unhealthy"
    world.ringback.router.loader.is_degraded = True

    shown = await breaker(ops)

    assert (shown["state"], shown["reason"]) == ("open", "consecutive")
    assert (await ops.get(f"{ROOT}/pii_guard")).json()["health"]["status"] == "unhealthy"


@pytest.mark.contract("router R-11c")
async def test_a_customer_sees_the_breakers_of_what_is_for_them(ops: httpx.AsyncClient, world: World) -> None:
    await ops.patch(f"{ROOT}/pii_guard", json={"metadata": {"allowed_tenants": [str(uuid4())]}})
    viewer = await client(world, "viewer")

    answer = await viewer.get(BREAKERS)

    assert answer.status_code == 200
    assert {one["extension_id"] for one in answer.json()["result"]} == {
        "mask_sensitive_data", "normalize_text", "anthropic_claude", "mock_provider", "openai_gpt4",
    }  # fmt: skip
    assert (await viewer.post(f"{ROOT}/mock_provider/breaker", json={"force": "open"})).status_code == 403
