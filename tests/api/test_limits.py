"""What one caller gets of us: requests a second for each key, refused keys a minute for each address."""

import asyncio
import re
from collections import Counter
from uuid import uuid4

import httpx
import pytest

from ringback.api.call import Caller
from ringback.api.limits import PLACES, Limits
from ringback.api.parts import POLICY, RATE
from ringback.customers.keys.model import new_token
from tests.world import MakeWorld, World

pytestmark = pytest.mark.long

ROOT = "/v1.0/extensions"
LIMITED = {"rest_rate_limit": 2, "rest_rate_burst": 4, "rest_failure_limit": 3}


@pytest.fixture
def limited(make_world: MakeWorld) -> World:
    return make_world(**LIMITED)


def rate(answer: httpx.Response) -> tuple[str, str]:
    return answer.headers["ratelimit-policy"], answer.headers["ratelimit"]


def refused(answer: httpx.Response, reason: str = "RATE_LIMITED") -> bool:
    return (answer.status_code, answer.json().get("error", {}).get("reason")) == (429, reason)


async def stranger(world: World) -> httpx.AsyncClient:
    return await world.http(new_token().reveal())


async def test_each_answer_says_what_is_left_of_the_budget(limited: World) -> None:
    async with await limited.http() as http:
        answers = [await http.get(f"{ROOT}{more}") for more in ("", "/no-uuid", f"/{limited.customer}", "?limit=1")]

    assert [answer.status_code for answer in answers] == [200, 400, 404, 400]
    assert [rate(answer) for answer in answers] == [
        ('"key";q=4;w=2', f'"key";r={left};t={until}') for left, until in ((3, 1), (2, 1), (1, 2), (0, 2))
    ]
    for name, pattern in (("ratelimit", RATE), ("ratelimit-policy", POLICY)):
        assert all(re.fullmatch(pattern, answer.headers[name]) for answer in answers)


async def test_whoever_asks_too_often_is_429_and_told_when_to_come_again(limited: World) -> None:
    async with await limited.http() as http, await limited.http() as other:
        for _ in range(4):
            assert (await http.get(ROOT)).status_code == 200
        limited.statements.clear()
        late = await http.post(ROOT, json={"extension": "1001"})
        assert limited.statements == []
        assert (await other.get(ROOT)).status_code == 200

        assert refused(late)
        assert late.json()["error"]["status"] == "RESOURCE_EXHAUSTED"
        assert (late.headers["retry-after"], rate(late)) == ("1", ('"key";q=4;w=2', '"key";r=0;t=2'))
        limited.wait(float(late.headers["retry-after"]))
        assert (await http.get(ROOT)).status_code == 200
    assert limited.sql("SELECT id FROM registrar_extensions") == []


async def test_an_address_with_many_wrong_keys_waits_a_minute_and_asks_no_database(limited: World) -> None:
    async with await limited.http() as known, await limited.http() as fresh, await stranger(limited) as wrong:
        await known.get(ROOT)
        answers = [(await (await stranger(limited)).get(ROOT)).status_code for _ in range(3)]
        assert [*answers, (await wrong.get(ROOT)).status_code] == [401] * 4

        limited.statements.clear()
        late = await wrong.get(ROOT)
        assert refused(late)
        assert late.headers["retry-after"] == "60"
        assert refused(await fresh.get(ROOT))
        assert limited.statements == []

        assert (await known.get(ROOT)).status_code == 200
        assert (await known.get(ROOT, headers={"authorization": ""})).status_code == 401
        limited.wait(60)
        assert (await fresh.get(ROOT)).status_code == 200
        assert (await wrong.get(ROOT)).status_code == 401


async def test_a_key_that_was_revoked_counts_for_its_address(limited: World) -> None:
    async with await limited.http() as http:
        assert (await http.get(ROOT)).status_code == 200
        limited.sql("UPDATE registrar_accesskeys SET tm_revoke = tm_create")
        codes = [(await http.get(ROOT)).status_code for _ in range(6)]

    assert codes == [401] * 4 + [429] * 2


async def test_the_key_of_a_frozen_customer_has_a_budget_too(limited: World) -> None:
    async with await limited.http() as http:
        await limited.tell("customer_frozen")
        codes = [(await http.get(ROOT)).status_code for _ in range(6)]

    assert codes == [403] * 4 + [429] * 2


async def test_without_limits_there_is_none(make_world: MakeWorld) -> None:
    async with await make_world(rest_rate_limit=0, rest_failure_limit=0).http() as http:
        for _ in range(450):
            answer = await http.get(f"{ROOT}/no-uuid")
            assert answer.status_code == 400
    assert "ratelimit" not in answer.headers


@pytest.mark.parametrize("path", ["/live", "/openapi.json", "/ready"])
async def test_what_needs_no_key_has_no_budget(limited: World, path: str) -> None:
    async with await limited.http() as http:
        for _ in range(10):
            assert (await http.get(path)).status_code == 200


async def test_many_requests_of_one_customer_keep_nobody_else_waiting() -> None:
    """Though none of the many ever waits for anything while it is at work."""
    limits, order = Limits(), list[str]()

    async def ask(name: str, caller: Caller) -> None:
        async with limits.place(caller):
            order.append(name)

    many, one = Caller(uuid4()), Caller(uuid4())
    await asyncio.gather(*(ask("many", many) for _ in range(100)), ask("one", one))

    assert order.index("one") <= 2
    assert len(order) == 101


async def test_so_many_of_one_customer_are_worked_on_at_once_and_others_beside_them() -> None:
    limits, many, one, go = Limits(), Caller(uuid4()), Caller(uuid4()), asyncio.Event()
    within: Counter[Caller] = Counter()

    async def ask(caller: Caller) -> None:
        async with limits.place(caller):
            within[caller] += 1
            await go.wait()

    asking = [asyncio.create_task(ask(caller)) for caller in (*[many] * 50, one)]
    for _ in range(100):
        await asyncio.sleep(0)
    assert within == {many: PLACES, one: 1}
    go.set()
    await asyncio.gather(*asking)
    assert within == {many: 50, one: 1}
