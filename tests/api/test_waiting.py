"""`?wait=applied`: a change of the registry is answered when all nodes serve it, or names those that do not."""

import asyncio

import httpx
import pytest

from ringback.kit.db import Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.router.nodes import store
from ringback.router.nodes.model import Served
from tests.api.test_router import ROOT, UPPER, ops
from tests.world import World, refusal

__all__ = ["ops"]

pytestmark = [pytest.mark.sqlite, pytest.mark.contract("router R-2c"), pytest.mark.long]

WAIT = "?wait=applied"


async def another_node(world: World, revision: int) -> None:
    """A node that is there and serves this revision."""
    served = Served(revision, "0" * 64, "database", [])
    await world.ringback.router.work.write(lambda uow: store.put(uow.session, "other", served, uow.now))


def revision_of(answer: httpx.Response) -> int:
    return int(answer.headers["x-registry-revision"])


async def test_every_change_can_wait_and_says_who_serves_it(ops: httpx.AsyncClient, world: World) -> None:
    one = f"{ROOT}/upper"
    for method, path, body in (
        ("POST", ROOT, UPPER),
        ("PUT", one, {"timeout_ms": 200}),
        ("PATCH", one, {"timeout_ms": 300}),
        ("POST", f"{one}/disable", None),
        ("POST", f"{one}/enable", None),
        ("POST", f"{one}/enable", None),
        ("POST", f"{one}/rollback", {"to_revision": 1}),
        ("POST", f"{one}/breaker", {"force": "open"}),
        ("DELETE", one, None),
        ("POST", f"{one}/restore", None),
    ):
        answer = await ops.request(method, path + WAIT, json=body)

        assert answer.is_success, answer.text
        assert answer.json()["applied"] == {"revision": revision_of(answer), "nodes": 1, "pending": []}, path
    whole = answer.json()
    assert (await ops.put(one, json={**whole, "timeout_ms": 400})).json()["timeout_ms"] == 400
    assert "applied" not in (await ops.patch(f"{one}?timeout_ms=1", json={"timeout_ms": 500})).json()
    assert "applied" not in (await ops.get(one)).json()


async def test_who_does_not_serve_it_in_time_is_named(ops: httpx.AsyncClient, world: World) -> None:
    await another_node(world, 1)

    late = await ops.post(f"{ROOT}{WAIT}&timeout_ms=30", json=UPPER)

    assert late.status_code == 201
    assert late.json()["applied"] == {"revision": revision_of(late), "nodes": 2, "pending": ["other"]}


async def test_the_answer_comes_when_the_last_one_serves_it_and_all_others_see_the_change_before(
    ops: httpx.AsyncClient, world: World
) -> None:
    await another_node(world, 1)
    seen = asyncio.Event()

    def before(statement: Statement) -> None:
        if statement is store.ALL:
            seen.set()

    world.before_statement = before
    waiting = asyncio.create_task(ops.post(f"{ROOT}{WAIT}&timeout_ms=10000", json=UPPER))
    await seen.wait()
    world.heal()
    assert (await ops.get(f"{ROOT}/upper")).status_code == 200
    assert not waiting.done()
    await another_node(world, world.ringback.router.registry.snapshot.revision)

    answer = await waiting

    assert answer.json()["applied"] == {"revision": revision_of(answer), "nodes": 2, "pending": []}


async def test_what_is_sent_again_waits_too(ops: httpx.AsyncClient, world: World) -> None:
    await another_node(world, 1)
    once = {"Idempotency-Key": "order-7"}
    first = await ops.post(f"{ROOT}{WAIT}&timeout_ms=1", json=UPPER, headers=once)
    assert first.json()["applied"]["pending"] == ["other"]
    await another_node(world, revision_of(first))

    again = await ops.post(f"{ROOT}{WAIT}&timeout_ms=1", json=UPPER, headers=once)

    assert again.headers["idempotent-replay"] == "true"
    assert again.json() == first.json() | {"applied": {"revision": revision_of(first), "nodes": 2, "pending": []}}


async def test_a_database_that_goes_away_after_the_commit_fails_no_change(ops: httpx.AsyncClient, world: World) -> None:
    def before(statement: Statement) -> None:
        if statement is store.ALL:
            raise DatabaseUnavailable

    world.before_statement = before

    answer = await ops.post(f"{ROOT}{WAIT}&timeout_ms=30", json=UPPER)

    world.heal()
    assert (answer.status_code, answer.json()["applied"]) == (201, None)
    assert (await ops.get(f"{ROOT}/upper")).status_code == 200


@pytest.mark.parametrize(
    ("query", "field"),
    [("wait=all", "wait"), ("wait=", "wait"), ("wait=applied&timeout_ms=0", "timeout_ms")]
    + [(f"wait=applied&timeout_ms={wrong}", "timeout_ms") for wrong in ("10001", "1.5", "soon", "")]
    + [("until=applied", "until")],
)
async def test_what_cannot_be_waited_for_is_refused(
    ops: httpx.AsyncClient, world: World, query: str, field: str
) -> None:
    before = world.everything()

    answer = await ops.post(f"{ROOT}?{query}", json={**UPPER, "timeout_ms": 1})

    assert refusal(answer) == (400, "VALIDATION_FAILED")
    assert [one["field"] for one in answer.json()["error"]["details"]] == [field, "timeout_ms"]
    assert world.everything() == before
