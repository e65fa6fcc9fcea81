"""`Idempotency-Key`: what is sent again is done once, whichever part of the product it is about (api "repeat")."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from ringback.kit import replays
from ringback.kit.errors import DatabaseUnavailable
from tests.world import World, refusal

pytestmark = [pytest.mark.contract("router R-6b"), pytest.mark.long]

KEPT = "registrar_idempotency_keys"


@dataclass(frozen=True)
class Case:
    """A route that makes something: a body, another one, one that is refused, its table, a change, and one more."""

    path: str
    body: dict[str, Any]
    other: dict[str, Any]
    wrong: dict[str, Any]
    table: str
    change: dict[str, Any]
    more: dict[str, Any]


PHONE = Case(
    "/v1.0/extensions",
    {"extension": "1001", "name": "Front desk"},
    {"extension": "1002"},
    {"extension": "10 01"},
    "registrar_extensions",
    {"name": "Reception", "password_regenerate": True},
    {"detail": "ground floor"},
)
UPPER = {"id": "upper", "type": "pre", "subject": "beamline.ext.pre.upper.v1", "config": {"b": 1, "a": [2]}}
PROCESSOR = Case(
    "/v1.0/router/extensions",
    UPPER,
    {**UPPER, "id": "lower", "subject": "beamline.ext.pre.lower.v1"},
    {**UPPER, "timeout_ms": 1},
    "extensions",
    {"config": {"a": None}},
    {"timeout_ms": 77},
)


@pytest.fixture(
    params=[pytest.param(PHONE, id="registrar"), pytest.param(PROCESSOR, id="router", marks=pytest.mark.sqlite)]
)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
async def client(case: Case, world: World, http: httpx.AsyncClient, operator: httpx.AsyncClient) -> httpx.AsyncClient:
    """Who may use the route, over a registry that is loaded."""
    if case is PHONE:
        return http
    assert (await world.ringback.router.loader.reload()).ok
    return operator


def key(text: str = "order-7") -> dict[str, str]:
    return {"idempotency-key": text}


def count(world: World, table: str) -> int:
    return len(world.sql(f"SELECT * FROM {table}"))


def headers(answer: httpx.Response) -> dict[str, str]:
    """Those that tell of the thing, not of the request."""
    others = ("x-request-id", "idempotent-replay", "content-length", "ratelimit")
    return {name: text for name, text in answer.headers.items() if name not in others}


async def test_the_same_request_is_answered_as_it_was_and_done_once(
    case: Case, client: httpx.AsyncClient, world: World
) -> None:
    first = await client.post(case.path, json=case.body, headers=key())
    before = world.everything()
    shuffled = dict(reversed(case.body.items()))

    for body in (case.body, shuffled):
        again = await client.post(case.path, json=body, headers=key())

        assert (again.status_code, headers(again)) == (201, headers(first))
        assert again.json() == first.json() | ({"password": ""} if case is PHONE else {})
        assert (again.headers["idempotent-replay"], "idempotent-replay" in first.headers) == ("true", False)
    assert world.everything() == before


async def test_a_change_is_done_once_and_no_password_is_kept(
    case: Case, client: httpx.AsyncClient, world: World
) -> None:
    made = (await client.post(case.path, json=case.body)).json()
    place = f"{case.path}/{made['id']}"
    first = await client.patch(place, json=case.change, headers=key())
    later = await client.put(place, json={"name": "later"} if case is PHONE else {"timeout_ms": 77})
    before = world.everything()

    again = await client.patch(place, json=case.change, headers=key())

    assert (again.status_code, again.headers["etag"]) == (200, first.headers["etag"])
    assert again.headers["etag"] != later.headers["etag"]
    assert world.everything() == before
    if case is PHONE:
        assert (len(first.json()["password"]), again.json()["password"]) == (24, "")
        assert first.json()["password"].encode() not in world.ground.stored()
    assert b"order-7" not in world.ground.stored()


async def test_another_body_another_query_or_another_route_under_the_same_key_is_refused(
    case: Case, client: httpx.AsyncClient, operator: httpx.AsyncClient, world: World
) -> None:
    places = [f"{case.path}/{(await client.post(case.path, json=one)).json()['id']}" for one in (case.body, case.other)]
    assert (await client.patch(places[0], json=case.change, headers=key())).status_code == 200
    before = world.everything()

    for answer in (
        await client.patch(places[0], json={**case.change, **case.more}, headers=key()),
        await client.patch(places[1], json=case.change, headers=key()),
        await client.post(case.path, json=case.body, headers=key()),
    ):
        assert refusal(answer) == (422, "IDEMPOTENCY_KEY_REUSED")
        assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert world.everything() == before
    body, customers = {"extension": "1003"}, (str(world.customer), str(uuid4()))
    answers = [
        await operator.post(f"/v1.0/extensions?customer_id={one}", json=body, headers=key("k")) for one in customers
    ]
    assert [one.status_code for one in answers] == [201, 422]


async def test_a_key_is_its_owners(case: Case, client: httpx.AsyncClient, world: World) -> None:
    """Of two keys with one name, and of two customers."""
    await client.post(case.path, json=case.body, headers=key())
    another = await world.http(await world.key(None if case is PROCESSOR else world.customer))

    answer = await another.post(case.path, json=case.body, headers=key())

    assert (answer.status_code, "idempotent-replay" in answer.headers) == (409, False)


async def test_an_agents_key_is_the_agents(make_world: Callable[..., World]) -> None:
    secret = "s" * 32
    world = make_world(jwt_key=secret)

    async def client(agent: str) -> httpx.AsyncClient:
        claims = {"agent": {"id": agent, "customer_id": str(world.customer), "permission": 0x20}}
        expire = {"expire": "2030-01-01T00:00:00Z"}
        return await world.http(jwt.encode({"type": "agent", **claims, **expire}, secret))

    codes = []
    for agent in ("one", "one", "two"):
        answer = await (await client(agent)).post(PHONE.path, json=PHONE.body, headers=key())
        codes.append((answer.status_code, "idempotent-replay" in answer.headers))

    assert codes == [(201, False), (201, True), (409, False)]


async def test_what_was_refused_may_be_tried_again(case: Case, client: httpx.AsyncClient, world: World) -> None:
    assert (await client.post(case.path, json=case.wrong, headers=key())).status_code == 400
    await client.post(case.path, json=case.body)
    assert (await client.post(case.path, json=case.body, headers=key())).status_code == 409
    assert count(world, KEPT) == 0

    made = await client.post(case.path, json=case.other, headers=key())

    assert (made.status_code, count(world, KEPT)) == (201, 1)


@pytest.mark.parametrize("text", ["", "a b", "\u00e9", "x" * 256, "a\tb"])
async def test_a_key_that_is_none_is_refused_with_all_else_that_is_wrong(
    case: Case, client: httpx.AsyncClient, text: str
) -> None:
    bad = {b"Idempotency-Key": text.encode("latin-1")}
    answer = await client.post(case.path, json={**case.body, "colour": "green"}, headers=bad)

    assert refusal(answer) == (400, "VALIDATION_FAILED")
    assert {one["field"] for one in answer.json()["error"]["details"]} == {"Idempotency-Key", "colour"}
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    assert (await client.post(case.path, json=case.body, headers=twice)).status_code == 400
    assert (await client.post(case.path, json=case.body, headers=key("~" * 255))).status_code == 201


@pytest.mark.sqlite
async def test_where_nothing_is_written_or_all_may_be_said_again_a_key_means_nothing(
    case: Case, client: httpx.AsyncClient, operator: httpx.AsyncClient, world: World
) -> None:
    made = (await client.post(case.path, json=case.body)).json()
    place = f"{case.path}/{made['id']}"
    for answer in (
        await operator.post("/v1.0/router/registry:reload", headers=key()),
        await operator.post("/v1.0/router/audit:verify", headers=key()),
        await client.get(place, headers=key()),
        await client.put(place, json=case.change, headers=key()),
        await client.delete(place, headers=key("not one")),
    ):
        assert (answer.status_code, "idempotent-replay" in answer.headers) == (200, False)
    assert count(world, KEPT) == 0


async def test_a_crash_anywhere_leaves_nothing_and_the_same_request_is_done_then(
    case: Case, client: httpx.AsyncClient, world: World
) -> None:
    before = world.everything()
    for number in range(2, 100):
        world.fail_at(number)
        answer = await client.post(case.path, json=case.body, headers=key())
        if answer.status_code == 201:
            break
        world.heal()
        assert answer.status_code == 500
        assert world.everything() == before
    assert number > 6
    assert "idempotent-replay" not in answer.headers


async def test_of_many_at_once_one_does_it(case: Case, client: httpx.AsyncClient, world: World) -> None:
    before = count(world, case.table)
    answers = await asyncio.gather(*(client.post(case.path, json=case.body, headers=key()) for _ in range(5)))

    assert [one.status_code for one in answers] == [201] * 5
    assert sum("idempotent-replay" in one.headers for one in answers) == 4
    assert count(world, case.table) == before + 1


async def test_whoever_waits_for_the_first_for_too_long_is_told_so(
    case: Case, client: httpx.AsyncClient, world: World
) -> None:
    def before(statement: object) -> None:
        if statement is replays.ADD:
            raise DatabaseUnavailable

    world.before_statement = before

    answer = await client.post(case.path, json=case.body, headers=key())

    assert refusal(answer) == (409, "IDEMPOTENCY_KEY_IN_USE")
    assert answer.json()["error"]["status"] == "FAILED_PRECONDITION"


async def test_a_day_later_the_key_is_a_new_one(case: Case, client: httpx.AsyncClient, world: World) -> None:
    await client.post(case.path, json=case.body, headers=key())
    world.wait(24 * 3600 - 60)
    assert "idempotent-replay" in (await client.post(case.path, json=case.body, headers=key())).headers
    await world.ringback.relay.prune()
    assert count(world, KEPT) == 1
    world.wait(120)

    assert (await client.post(case.path, json=case.body, headers=key())).status_code == 409
    assert (await client.post(case.path, json=case.other, headers=key())).status_code == 201


async def test_what_is_old_is_removed(case: Case, client: httpx.AsyncClient, world: World) -> None:
    await client.post(case.path, json=case.body, headers=key())
    row = world.sql(f"SELECT * FROM {KEPT}")[0]
    with world.bulk():
        for number in range(250):
            copy = {**row, "key_hash": f"{number:064}"}
            world.sql(f"INSERT INTO {KEPT} ({', '.join(copy)}) VALUES ({', '.join('?' * len(copy))})", *copy.values())
    world.wait(24 * 3600 - 60)
    await client.post(case.path, json=case.other, headers=key("younger"))
    world.wait(120)

    await world.ringback.relay.prune()

    assert count(world, KEPT) == 1
