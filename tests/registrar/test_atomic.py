"""All of a request or nothing of it."""

import sqlite3
from itertools import count
from typing import Any

import pytest

from ringback.kit.db import Conflict
from ringback.sip import asterisk
from tests.world import World

OTHER = "Another-Pass-0002"
WRITES: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "create": ("POST", "/v1/extensions", {"extension": "1002", "password": OTHER, "direct": True}, 2),
    "update": (
        "PUT",
        "/v1/extensions/{extension}",
        {"name": "new", "password": OTHER, "direct": True, "direct_regenerate": True},
        4,
    ),
    "disable": ("PUT", "/v1/extensions/{extension}", {"detail": "new", "direct": False}, 2),
    "delete": ("DELETE", "/v1/extensions/{extension}", {}, 4),
    "create trunk": ("POST", "/v1/trunks", {"domain_name": "ab", "auth_types": ["basic"], "username": "u"}, 1),
    "update trunk": ("PUT", "/v1/trunks/{trunk}", {"allowed_ips": ["10.0.0.1"], "password": OTHER}, 1),
    "delete trunk": ("DELETE", "/v1/trunks/{trunk}", {}, 1),
}
"""What → method, URI, data, how many events it has."""
FEWEST = 4
"""Statements of the shortest of them."""


def credentials(world: World) -> int:
    """How many the edge reads."""
    return len(world.everything()["registrar_sip_auths"])


async def prepared(world: World, what: str) -> tuple[str, str, dict[str, Any]]:
    """The request, over a customer who has an extension with a direct address and a contact, and a trunk."""
    made = await world.create(direct=True)
    world.register(made["endpoint_id"])
    trunk = await world.create_trunk()
    method, uri, data, _ = WRITES[what]
    return method, uri.format(extension=made["id"], trunk=trunk["id"]), {"customer_id": str(world.customer), **data}


@pytest.mark.contract("registrar R-19, R-61")
@pytest.mark.parametrize("what", WRITES)
@pytest.mark.long
async def test_a_failure_before_any_statement_leaves_all_tables_as_before(world: World, what: str) -> None:
    request, before = await prepared(world, what), world.everything()
    for number in count():
        world.fail_at(number)
        reply = await world.rpc(*request)
        if reply.status_code == 200:
            break
        assert reply.refusal == (500, "INTERNAL")
        assert world.everything() == before, f"statement {number}"
    assert number >= FEWEST
    assert world.everything() != before


@pytest.mark.sqlite
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
    events, rows = len(world.events()), credentials(world)
    world.fail_at(FEWEST - 1, Conflict())

    assert (await world.rpc(*request)).status_code == 200

    types = [type for type, _ in world.events()[events:]]
    assert len(types) == len(set(types)) == WRITES[what][3]
    assert credentials(world) - rows == what.startswith("create") - what.startswith("delete")
