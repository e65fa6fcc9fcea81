"""Who may ask, and for whom: every route, every kind of credential."""

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
import pytest

from ringback.customers.keys import service as keys
from ringback.customers.keys import store
from ringback.customers.keys.model import SHOWN, KeysExist, new_token
from ringback.registrar.realms.model import Status
from ringback.registrar.work import Uow
from ringback.routes import REST
from tests.world import PASSWORD, MakeWorld, World, refusal

ROOT = "/v1.0/extensions"
ROUTES = [(route.method, route.pattern) for route in REST if route.about["right"]]
"""All but those that are for signing in."""
JWT_KEY = "a-key-for-agents-of-at-least-sixty-four-bytes-as-hs512-asks-for-it"


async def ask(http: httpx.AsyncClient, method: str, pattern: str, id: str, **more: Any) -> httpx.Response:
    body = {"extension": "1009"} if pattern == ROOT else {}
    if method in ("POST", "PUT", "PATCH"):
        more["json"] = body
    return await http.request(method, pattern.replace("<extension-id>", id), **more)


async def make(http: httpx.AsyncClient, **more: Any) -> str:
    answer = await http.post(ROOT, json={"extension": "1001", "password": PASSWORD, "direct": True}, **more)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def end_keys(world: World, column: str, seconds: float) -> None:
    """Every key of the world ends (`tm_expire`, `tm_revoke`) that many seconds from now."""
    at = (world.now + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat(" ", "microseconds")
    world.sql(f"UPDATE registrar_accesskeys SET {column} = ?", at)


# ---- every route, so that a new one cannot forget


@pytest.mark.contract("registrar R-74")
async def test_no_route_answers_a_frozen_customer(http: httpx.AsyncClient, world: World) -> None:
    id = await make(http)
    await world.set_status(Status.FROZEN)
    before = world.everything()

    answers = {route: await ask(http, *route, id) for route in ROUTES}

    assert {route: refusal(answer) for route, answer in answers.items()} == dict.fromkeys(
        ROUTES, (403, "ACCOUNT_FROZEN")
    )
    assert {answer.json()["error"]["status"] for answer in answers.values()} == {"PERMISSION_DENIED"}
    assert world.everything() == before


async def test_no_route_answers_a_deleted_customer(http: httpx.AsyncClient, world: World) -> None:
    id = await make(http)
    await world.set_status(Status.DELETED)

    answers = {route: refusal(await ask(http, *route, id)) for route in ROUTES}

    assert answers == dict.fromkeys(ROUTES, (401, "INVALID_CREDENTIALS"))


# ---- access keys


async def test_a_recovered_customer_may_go_on(http: httpx.AsyncClient, world: World) -> None:
    await world.set_status(Status.FROZEN)
    await world.set_status(Status.ACTIVE)

    assert (await http.get(ROOT)).status_code == 200


@pytest.mark.contract("router R-11a, F-22")
@pytest.mark.parametrize("path", [ROOT, pytest.param("/v1.0/router/extensions", marks=pytest.mark.sqlite)])
async def test_a_revoked_key_is_refused_at_its_next_request_and_no_other(
    http: httpx.AsyncClient, world: World, path: str
) -> None:
    assert path == ROOT or (await world.ringback.router.loader.reload()).ok
    token = await world.key(world.customer)
    async with await world.http(token) as other:
        assert (await http.get(path)).status_code == (await other.get(path)).status_code == 200
        await world.ringback.work.write(lambda uow: keys.revoke(uow, token[:SHOWN]))

        assert refusal(await other.get(path)) == (401, "INVALID_CREDENTIALS")
    assert (await http.get(path)).status_code == 200


async def test_of_two_first_keys_made_at_the_same_time_there_is_one(world: World) -> None:
    made, adding = asyncio.Event(), asyncio.Event()

    async def slow(uow: Uow) -> None:
        await keys.bootstrap(uow)
        made.set()
        with contextlib.suppress(TimeoutError):  # on a file the other one is not let in before the end
            async with asyncio.timeout(0.3):
                await adding.wait()

    first = asyncio.create_task(world.ringback.work.write(slow))
    await made.wait()
    world.before_statement = lambda statement: adding.set() if statement is store.ADD else None
    with pytest.raises(KeysExist):
        await world.ringback.work.write(keys.bootstrap)

    await first
    assert len(world.sql("SELECT id FROM registrar_accesskeys")) == 1


@pytest.mark.contract("registrar R-75")
async def test_a_deleted_key_works_no_more(http: httpx.AsyncClient, world: World) -> None:
    assert (await http.get(ROOT)).status_code == 200
    end_keys(world, "tm_delete", 0)

    assert refusal(await http.get(ROOT)) == (401, "INVALID_CREDENTIALS")


@pytest.mark.contract("registrar R-75")
async def test_a_key_works_until_it_expires(http: httpx.AsyncClient, world: World) -> None:
    world.frozen = True
    end_keys(world, "tm_expire", 60)
    assert (await http.get(ROOT)).status_code == 200

    world.wait(59.999999)
    assert (await http.get(ROOT)).status_code == 200
    world.wait(0.000001)
    assert refusal(await http.get(ROOT)) == (401, "INVALID_CREDENTIALS")


@pytest.mark.contract("registrar R-75")
@pytest.mark.parametrize(
    "credential",
    [
        "Basic {key}", "bearer", "Bearer", "Bearer ", "Token {key}", "{key}", "Bearer {key}x", "Bearer x{key}",
        "Bearer rb_", "Bearer a.b.c", "Bearer é", "Bearer {key},{key}", "Bearer {key} {key}", "Digest username=x",
    ],
)  # fmt: skip
async def test_only_a_bearer_of_a_whole_key_is_let_in(world: World, credential: str) -> None:
    key = await world.key(world.customer)
    async with await world.http(key) as client:
        answer = await client.get(ROOT, headers={b"authorization": credential.format(key=key).encode()})

    assert refusal(answer) == (401, "INVALID_CREDENTIALS")
    assert key not in answer.text


async def test_the_scheme_is_bearer_in_any_letter_case(world: World, http: httpx.AsyncClient) -> None:
    key = await world.key(world.customer)

    assert (await http.get(ROOT, headers={"authorization": f"bEARER {key}"})).status_code == 200


@pytest.mark.contract("registrar R-75")
@pytest.mark.parametrize("name", ["access_token", "token", "accesskey", "key", "api_key"])
async def test_a_key_in_a_url_lets_nobody_in(world: World, nobody: httpx.AsyncClient, name: str) -> None:
    key = await world.key(world.customer)

    answer = await nobody.get(ROOT, params={name: key})

    assert refusal(answer) == (401, "AUTHENTICATION_REQUIRED")
    assert key not in answer.text


# ---- the operator


async def test_the_operator_names_the_customer(operator: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    customer, other = str(uuid4()), str(uuid4())
    id = await make(operator, params={"customer_id": customer})

    shown = await operator.get(f"{ROOT}/{id}", params={"customer_id": customer.upper()})

    assert shown.json()["customer_id"] == customer
    assert (await operator.get(f"{ROOT}/{id}", params={"customer_id": other})).status_code == 404
    assert (await http.get(f"{ROOT}/{id}")).status_code == 404
    assert (await operator.get(ROOT, params={"customer_id": other})).json()["result"] == []


@pytest.mark.parametrize("named", [None, "", "acme", str(UUID(int=0)), "3f6c1c9e5a0b4b7e9c1d2a4e8f60b713"])
async def test_the_operator_must_name_one(operator: httpx.AsyncClient, named: str | None) -> None:
    query = {} if named is None else {"customer_id": named}

    answer = await operator.post(ROOT, params=query, json={"extension": ""})

    assert refusal(answer) == (400, "VALIDATION_FAILED")
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == ["customer_id", "extension"]


async def test_the_operator_reaches_a_frozen_customer_but_makes_nothing_there(
    world: World, http: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    id = await make(http)
    await world.set_status(Status.FROZEN)
    of = {"customer_id": str(world.customer)}

    assert (await operator.get(f"{ROOT}/{id}", params=of)).status_code == 200
    refused = await operator.post(ROOT, params=of, json={"extension": "1002"})
    assert refusal(refused) == (409, "CUSTOMER_FROZEN")


@pytest.mark.parametrize("own", [True, False])
async def test_a_customer_may_name_nobody(http: httpx.AsyncClient, world: World, own: bool) -> None:
    answer = await http.get(ROOT, params={"customer_id": str(world.customer if own else uuid4())})

    assert refusal(answer) == (403, "PERMISSION_DENIED")
    assert [detail["field"] for detail in answer.json()["error"]["details"]] == ["customer_id"]


async def test_a_platform_key_without_the_operators_role_is_none(operator: httpx.AsyncClient, world: World) -> None:
    world.sql("UPDATE registrar_accesskeys SET roles = '[\"admin\"]' WHERE customer_id IS NULL")

    answer = await operator.get(ROOT, params={"customer_id": str(world.customer)})

    assert refusal(answer) == (401, "INVALID_CREDENTIALS")


# ---- agents of VoIPbin


@pytest.fixture
def agents(make_world: MakeWorld) -> World:
    return make_world(jwt_key=JWT_KEY)


@pytest.fixture
async def anybody(agents: World) -> AsyncIterator[httpx.AsyncClient]:
    async with await agents.http() as client:
        yield client


def claims(world: World, **more: Any) -> dict[str, Any]:
    """What a token of an agent says who may manage this world's customer."""
    expire = (world.now + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    agent = {"customer_id": str(world.customer), "permission": 0x40}
    return {"type": "agent", "agent": agent, "expire": expire, **more}


def bearer(said: dict[str, Any], key: str = JWT_KEY, algorithm: str = "HS256") -> dict[str, str]:
    said = {name: value for name, value in said.items() if value is not ...}
    return {"authorization": f"Bearer {jwt.encode(said, key, algorithm)}"}


@pytest.mark.contract("registrar R-75")
@pytest.mark.parametrize(
    ("algorithm", "kind", "permission"),
    [("HS256", "agent", 0x20), ("HS384", ..., 0x40), ("HS512", "agent", 0x01), ("HS256", ..., 0xFFFF)],
)
async def test_an_agent_who_may_manage_is_the_customer(
    agents: World, anybody: httpx.AsyncClient, algorithm: str, kind: Any, permission: int
) -> None:
    extension = await agents.create()
    agent = {"customer_id": str(agents.customer), "permission": permission}

    said = bearer(claims(agents, type=kind, agent=agent), algorithm=algorithm)
    answer = await anybody.get(f"{ROOT}/{extension['id']}", headers=said)

    assert answer.status_code == 200


@pytest.mark.contract("registrar R-74")
async def test_a_token_of_direct_access_is_403(agents: World, anybody: httpx.AsyncClient) -> None:
    answer = await anybody.get(ROOT, headers=bearer(claims(agents, type="direct")))

    assert refusal(answer) == (403, "DIRECT_ACCESS_NOT_SUPPORTED")


@pytest.mark.parametrize("permission", [0, 0x02, 0x10, "64", None, True, 64.0])
async def test_an_agent_who_may_not_manage_is_403(agents: World, anybody: httpx.AsyncClient, permission: Any) -> None:
    agent = {"customer_id": str(agents.customer), "permission": permission}

    answer = await anybody.get(ROOT, headers=bearer(claims(agents, agent=agent)))

    assert refusal(answer) == (403, "PERMISSION_DENIED")


@pytest.mark.contract("registrar R-75")
@pytest.mark.parametrize(
    "more",
    [
        {"type": "guest"}, {"type": None}, {"type": 1}, {"agent": None}, {"agent": []}, {"agent": ...},
        {"agent": {"permission": 0x40}}, {"agent": {"permission": 0x40, "customer_id": str(UUID(int=0))}},
        {"agent": {"permission": 0x40, "customer_id": "x"}}, {"expire": ...}, {"expire": None}, {"expire": "soon"},
        {"expire": 7}, {"expire": "2026-02-11T09:30:00Z"}, {"expire": "2026-02-11 09:30:00.000001"},
        {"exp": 1770802200}, {"exp": "x"}, {"exp": None}, {"nbf": 1970802200}, {"aud": "others"},
    ],
)  # fmt: skip
async def test_a_token_that_says_anything_else_is_401(
    agents: World, anybody: httpx.AsyncClient, more: dict[str, Any]
) -> None:
    answer = await anybody.get(ROOT, headers=bearer(claims(agents, **more)))

    assert refusal(answer) == (401, "INVALID_CREDENTIALS")


@pytest.mark.contract("registrar R-75")
@pytest.mark.parametrize(
    "more",
    [
        {"expire": "2026-02-11 10:30:00.000001"}, {"expire": "2026-02-11T11:30:00.123456789+01:00"},
        {"expire": ..., "exp": 1770805000}, {"exp": 1770805000}, {"iat": 1970802200},
    ],
)  # fmt: skip
async def test_a_token_works_until_its_earliest_end(
    agents: World, anybody: httpx.AsyncClient, more: dict[str, Any]
) -> None:
    said = bearer(claims(agents, **more))

    assert (await anybody.get(ROOT, headers=said)).status_code == 200
    agents.wait(3600)
    assert refusal(await anybody.get(ROOT, headers=said)) == (401, "INVALID_CREDENTIALS")


@pytest.mark.contract("registrar R-75")
async def test_a_token_signed_by_somebody_else_is_401(agents: World, anybody: httpx.AsyncClient) -> None:
    forged = bearer(claims(agents), key=JWT_KEY[::-1])
    unsigned = {"authorization": f"Bearer {jwt.encode(claims(agents), '', 'none')}"}

    for headers in (forged, unsigned):
        assert refusal(await anybody.get(ROOT, headers=headers)) == (401, "INVALID_CREDENTIALS")


@pytest.mark.contract("registrar R-75")
async def test_without_jwt_key_no_token_is_taken(world: World, nobody: httpx.AsyncClient) -> None:
    for key in (JWT_KEY, "None" * 16, " " * 64):
        headers = bearer(claims(world), key=key)
        assert refusal(await nobody.get(ROOT, headers=headers)) == (401, "INVALID_CREDENTIALS")


async def test_an_agent_of_a_frozen_customer_is_403(agents: World, anybody: httpx.AsyncClient) -> None:
    await agents.set_status(Status.FROZEN)

    assert refusal(await anybody.get(ROOT, headers=bearer(claims(agents)))) == (403, "ACCOUNT_FROZEN")


@pytest.mark.contract("registrar R-75")
async def test_a_credential_is_taken_as_bearer_in_its_header_alone(agents: World, anybody: httpx.AsyncClient) -> None:
    key = await agents.key(agents.customer)
    token = bearer(claims(agents))["authorization"].removeprefix("Bearer ")
    assert (await anybody.get(ROOT, headers={"authorization": f"bearer {token}"})).status_code == 200

    for credential in (key, token):
        pair = b64encode(f"{credential}:".encode()).decode()
        for said in (credential, f"Basic {pair}", f"Basic {credential}", f"Token {credential}", f"JWT {credential}"):
            assert refusal(await anybody.get(ROOT, headers={"authorization": said})) == (401, "INVALID_CREDENTIALS")
        del anybody.headers["authorization"]
        for elsewhere in ("cookie", "x-api-key", "proxy-authorization", "x-authorization", "token"):
            told = f"token={credential}" if elsewhere == "cookie" else f"Bearer {credential}"
            assert refusal(await anybody.get(ROOT, headers={elsewhere: told})) == (401, "AUTHENTICATION_REQUIRED")
        for name in ("token", "access_token", "authorization"):
            assert refusal(await anybody.get(ROOT, params={name: credential})) == (401, "AUTHENTICATION_REQUIRED")
        anybody.headers["authorization"] = "Bearer"


@pytest.mark.contract("registrar R-75")
async def test_no_credential_reaches_a_log_or_an_answer_or_the_database(
    agents: World, anybody: httpx.AsyncClient, logged: Callable[[], str]
) -> None:
    key, other = await agents.key(agents.customer), new_token().reveal()
    token = bearer(claims(agents))["authorization"].removeprefix("Bearer ")
    forged = bearer(claims(agents), key=JWT_KEY[::-1])["authorization"].removeprefix("Bearer ")
    credentials = (key, other, token, forged)
    answers = []
    for credential in credentials:
        for said in (f"Bearer {credential}", f"Basic {credential}", f"Bearer {credential}x"):
            headers = {"authorization": said}
            answers.append(await anybody.get(ROOT, headers=headers))
            answers.append(await anybody.post(ROOT, headers=headers, content=f'{{"extension": "{credential}"'))
            answers.append(await anybody.post(ROOT, headers=headers, json={"extension": credential, "x": credential}))
        answers.append(await anybody.get(f"{ROOT}/{credential}", params={"token": credential}))
        answers.append(await anybody.get(f"/{credential}"))
        await anybody.get(ROOT, headers={"x-request-id": credential})
        for number in range(3):
            agents.fail_at(number)
            headers = {"authorization": f"Bearer {credential}"}
            answers.append(await anybody.get(f"{ROOT}?page_token={credential}", headers=headers))
    agents.heal()

    assert {answer.status_code for answer in answers} >= {200, 400, 401, 404, 500}
    log = logged()
    assert "Traceback" in log
    kept = b"".join(path.read_bytes() for path in agents.home.glob("ringback.db*"))
    for secret in (*credentials, JWT_KEY):
        assert secret not in log
        assert secret not in agents.metrics()
        assert secret.encode() not in kept
        assert not [answer.text for answer in answers if secret in answer.text]
