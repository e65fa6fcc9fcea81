"""Extensions that are wanted for one customer at once are made together."""

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec
import pytest

from ringback.kit import audit, outbox
from ringback.registrar.realms import service as realms
from tests.world import Broken, World

NUMBERS = [str(1000 + number) for number in range(16)]


async def at_once(world: World, numbers: list[str], **more: Any) -> list[dict[str, Any]]:
    """The replies to creates that are all there before the first is done, which only requests of this process are."""
    envelopes = [
        world.envelope("POST", "/v1/extensions", world.asked(number, **more), request_id=f"req_{place}")
        for place, number in enumerate(numbers)
    ]
    return [msgspec.json.decode(raw) for raw in await asyncio.gather(*map(world.ringback.rpc.serve, envelopes))]


def statements(world: World) -> int:
    """How many there were since this was asked last."""
    count = len(world.statements)
    world.statements.clear()
    return count


@pytest.mark.contract("registrar R-16")
async def test_sixteen_are_made_with_the_statements_of_one_or_two(world: World) -> None:
    await world.create("999")
    statements(world)
    await world.create("998")
    alone = statements(world)

    replies = await at_once(world, NUMBERS)

    assert statements(world) <= 2 * alone
    assert [(one["status_code"], one["data"]["extension"]) for one in replies] == [(200, number) for number in NUMBERS]
    assert len({one["data"]["id"] for one in replies}) == len(NUMBERS)


@pytest.mark.contract("registrar R-16, R-57")
async def test_each_is_as_if_it_were_made_alone(world: World) -> None:
    alone = await world.create("999", name="Front desk", direct=True)

    for one in await at_once(world, NUMBERS, name="Front desk", direct=True):
        made = one["data"]
        known = (
            "id",
            "extension",
            "username",
            "endpoint_id",
            "aor_id",
            "auth_id",
            "direct_id",
            "direct_hash",
            "tm_create",
        )
        assert {name: made[name] for name in made if name not in known} == {
            name: alone[name] for name in alone if name not in known
        }
        assert made["direct_hash"] != alone["direct_hash"]
    tables = world.everything()
    for table in (
        "registrar_extensions",
        "registrar_sip_auths",
        "ps_endpoints",
        "ps_auths",
        "ps_aors",
        "registrar_directs",
    ):
        assert len(tables[table]) == 1 + len(NUMBERS), table


async def test_their_news_and_their_moments_are_in_the_order_of_the_requests(world: World) -> None:
    replies = await at_once(world, NUMBERS)

    assert [data["extension"] for type, data in world.events() if type == "extension_created"] == NUMBERS
    moments = [one["data"]["tm_create"] for one in replies]
    assert all(before < after for before, after in pairwise(moments))


async def test_the_audit_log_names_who_wanted_each(world: World) -> None:
    replies = await at_once(world, NUMBERS)

    rows = world.sql(
        "SELECT object_id, actor, source, request_id FROM ringback_audit WHERE kind = 'extension' ORDER BY id"
    )
    assert [(UUID(bytes=bytes(row["object_id"])), row["request_id"]) for row in rows] == [
        (UUID(one["data"]["id"]), f"req_{place}") for place, one in enumerate(replies)
    ]
    assert {(row["actor"], row["source"]) for row in rows} == {("rpc:test", "rpc")}


@pytest.mark.contract("registrar R-18")
async def test_one_that_is_refused_hurts_no_other(world: World) -> None:
    await world.create(NUMBERS[5])

    replies = await at_once(world, NUMBERS)

    refused = [one["data"].get("reason") for one in replies]
    assert refused == [None] * 5 + ["EXTENSION_ALREADY_EXISTS"] + [None] * 10
    assert replies[5]["data"]["details"] == [{"field": "extension", "description": "is taken"}]
    assert len(world.sql("SELECT id FROM registrar_extensions")) == len(NUMBERS)
    assert Counter(data["extension"] for _, data in world.events()) == Counter(NUMBERS)


@pytest.mark.contract("registrar R-70")
async def test_as_many_as_fit_are_made_and_they_are_the_first(world: World) -> None:
    await world.ringback.work.write(lambda uow: realms.set_limits(uow, world.customer, extension=5))

    replies = await at_once(world, NUMBERS)

    assert [one["status_code"] for one in replies] == [200] * 5 + [429] * 11
    assert len(world.sql("SELECT id FROM registrar_extensions")) == len(world.events()) == 5


@pytest.mark.contract("registrar R-19")
@pytest.mark.parametrize("where", [audit.ADD, outbox.ADD], ids=["audit", "outbox"])
async def test_where_all_of_it_fails_each_is_told_and_nothing_is_written(world: World, where: Any) -> None:
    await world.create("999")
    before, counted = world.everything(), world.counters()

    def fail(statement: Any) -> None:
        if statement is where:
            raise Broken(repr(statement))

    world.before_statement = fail
    replies = await at_once(world, NUMBERS)
    world.heal()

    assert {(one["status_code"], one["data"]["reason"]) for one in replies} == {(500, "INTERNAL")}
    assert world.everything() == before
    assert world.counters() == counted


@pytest.mark.contract("registrar R-19")
async def test_a_failure_in_the_middle_is_tried_again_and_nothing_is_made_twice(world: World) -> None:
    await world.create("999")
    world.fail_at(6)

    replies = await at_once(world, NUMBERS)

    assert [one["status_code"] for one in replies] == [200] * len(NUMBERS)
    assert Counter(data["extension"] for _, data in world.events()) == Counter(["999", *NUMBERS])


@pytest.mark.contract("router R-6b")
async def test_keys_of_repeated_requests_are_kept_beside(world: World) -> None:
    """What is sent under a key is one transaction with its answer; those without one go together meanwhile."""
    async with await world.http() as http:

        async def keyed() -> Any:
            return await http.post("/v1.0/extensions", json={"extension": "2000"}, headers={"idempotency-key": "once"})

        plain = [http.post("/v1.0/extensions", json={"extension": number}) for number in NUMBERS]
        first, *others = await asyncio.gather(keyed(), *plain)
        again = await keyed()

    assert [answer.status_code for answer in (first, again, *others)] == [201] * (2 + len(NUMBERS))
    assert first.json()["id"] == again.json()["id"]
    assert len(world.sql("SELECT id FROM registrar_extensions")) == 1 + len(NUMBERS)
