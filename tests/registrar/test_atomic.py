"""All of a request or nothing of it."""

import sqlite3
from itertools import count
from typing import Any

import pytest

from ringback.kit.db import Conflict
from ringback.sip import asterisk
from tests.world import World

WRITES = {
    "create": ("POST", "", {"extension": "1002", "password": "Another-Pass-0002", "direct": True}),
    "update": (
        "PUT",
        "/{id}",
        {"name": "new", "password": "Another-Pass-0002", "direct": True, "direct_regenerate": True},
    ),
    "disable": ("PUT", "/{id}", {"detail": "new", "direct": False}),
    "delete": ("DELETE", "/{id}", {}),
}


async def prepared(world: World, what: str) -> tuple[str, str, dict[str, Any]]:
    """The request, over a customer who has an extension with a direct address and a contact."""
    made = await world.create(direct=True)
    world.register(made["endpoint_id"])
    method, uri, data = WRITES[what]
    return method, f"/v1/extensions{uri.format(id=made['id'])}", {"customer_id": str(world.customer), **data}


@pytest.mark.contract("registrar R-19, R-61")
@pytest.mark.parametrize("what", WRITES)
async def test_a_failure_before_any_statement_leaves_all_tables_as_before(world: World, what: str) -> None:
    request, before = await prepared(world, what), world.everything()
    for number in count():
        world.fail_at(number)
        reply = await world.rpc(*request)
        if reply.status_code == 200:
            break
        assert reply.refusal == (500, "INTERNAL")
        assert world.everything() == before, f"statement {number}"
    assert number > 6
    assert world.everything() != before


@pytest.mark.contract("registrar R-19, R-61")
@pytest.mark.parametrize("what", WRITES)
async def test_a_commit_that_fails_leaves_all_tables_as_before(world: World, what: str) -> None:
    request, before, metrics = await prepared(world, what), world.everything(), world.counters()
    writer = world.ringback.database.writer  # type: ignore[attr-defined]

    def deny_commit(action: int, word: str | None, *_: Any) -> int:
        denied = action == sqlite3.SQLITE_TRANSACTION and word == "COMMIT"
        return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK

    writer.set_authorizer(deny_commit)
    reply = await world.rpc(*request)

    assert reply.refusal == (503, "DATABASE_UNAVAILABLE")
    assert world.everything() == before
    assert world.counters() == metrics
    writer.set_authorizer(None)
    assert (await world.rpc(*request)).status_code == 200


@pytest.mark.contract("registrar R-61")
async def test_failing_the_last_sip_row_leaves_no_own_row_and_no_event(world: World) -> None:
    before = world.everything()

    def fail(statement: Any) -> None:
        if statement.core.is_insert and statement.core.table is asterisk.table_of("ps_endpoints"):
            raise RuntimeError("no endpoint for you")

    world.before_statement = fail
    reply = await world.rpc("POST", "/v1/extensions", world.asked(direct=True))

    assert reply.refusal == (500, "INTERNAL")
    assert world.everything() == before
    assert before["registrar_extensions"] == before["registrar_outbox"] == []


@pytest.mark.contract("registrar R-19")
@pytest.mark.parametrize("what", WRITES)
async def test_a_conflict_at_any_statement_runs_the_request_again_and_does_it_once(world: World, what: str) -> None:
    request = await prepared(world, what)
    events, rows = len(world.events()), len(world.everything()["registrar_extensions"])
    world.fail_at(6, Conflict())

    assert (await world.rpc(*request)).status_code == 200

    types = [type for type, _ in world.events()[events:]]
    assert len(types) == len(set(types)) == (4 if what in ("update", "delete") else 2)
    assert len(world.everything()["registrar_extensions"]) == rows + (what == "create")
