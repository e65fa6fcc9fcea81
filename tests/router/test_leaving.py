"""What a node has counted of calls, once it will not come back."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ringback.kit.db import Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.router.extensions.health import health
from ringback.router.invoking import store as counting
from ringback.router.nodes.leaving import leave
from ringback.router.nodes.presence import Presence
from tests.router.conftest import Node

TABLE = "extension_health"
COLUMNS = "extension_id, node_id, success_count, failure_count, avg_latency_ms, window_success, circuit_breaker_state"


def count(node: Node, id: str, of: str, won: int, lost: int, latency: float | None, at: int = 10) -> None:
    """What a node has told of its calls at that hour."""
    text = f"INSERT INTO {TABLE} ({COLUMNS}, last_success, updated_at) VALUES (?, ?, ?, ?, ?, 3, 'open', ?, ?)"
    moment = f"2026-01-05 {at:02}:00:00"
    node.sql(text, id, of, won, lost, latency, moment, moment)


def counts(node: Node) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["extension_id"], row["node_id"]): row for row in node.sql(f"SELECT * FROM {TABLE}")}


def names(node: Node) -> list[str]:
    return [row["node_id"] for row in node.sql("SELECT node_id FROM router_nodes ORDER BY 1")]


@pytest.fixture
async def left(make_node: Callable[[], Node]) -> Node:
    """A node, and the row of another that was killed."""
    one, other = make_node(), make_node()
    for node in (one, other):
        await node.loader.reload()
        await Presence(node.work, node.loader).once()
    return one


@pytest.mark.contract("router R-2c, R-7b")
async def test_a_node_that_stays_away_for_a_day_leaves_its_counts_to_all(left: Node) -> None:
    count(left, "pii_guard", "node1", 30, 10, 20.0, at=9)
    count(left, "pii_guard", "", 10, 0, 10.0, at=8)
    count(left, "pii_guard", "node0", 1, 1, 5.0, at=9)
    count(left, "normalize_text", "node1", 5, 0, None, at=7)
    before = await left.do(lambda uow: health(uow, "pii_guard"))

    presence = Presence(left.work, left.loader)
    left.now += timedelta(hours=23, minutes=59)
    await presence.once()
    assert (names(left), len(counts(left))) == (["node0", "node1"], 4)
    left.now += timedelta(minutes=2)
    await presence.once()

    found = counts(left)
    assert names(left) == ["node0"]
    assert sorted(found) == [("normalize_text", ""), ("pii_guard", ""), ("pii_guard", "node0")]
    all_of_it = found["pii_guard", ""]
    assert (all_of_it["success_count"], all_of_it["failure_count"], all_of_it["avg_latency_ms"]) == (40, 10, 18.0)
    assert (all_of_it["window_success"], all_of_it["circuit_breaker_state"]) == (0, None)
    assert " 09:00" in str(all_of_it["last_success"]).replace("T", " ")
    assert (found["normalize_text", ""]["success_count"], found["normalize_text", ""]["avg_latency_ms"]) == (5, None)
    after = await left.do(lambda uow: health(uow, "pii_guard"))
    assert (after.success_count, after.health_score) == (before.success_count, before.health_score) == (41, 78.85)


@pytest.mark.contract("router R-7b")
async def test_of_two_nodes_that_see_it_gone_nothing_is_counted_twice(
    left: Node, make_node: Callable[[], Node]
) -> None:
    third = make_node()
    await third.loader.reload()
    for number in range(2 * counting.SOME + 1):
        await left.create(f"upper{number}")
        count(left, f"upper{number}", "node1", 1, 0, 1.0)
    left.now = third.now = left.now + timedelta(hours=25)

    await asyncio.gather(*(Presence(node.work, node.loader).once() for node in (left, third)))

    found = counts(left)
    assert "node1" not in names(left)
    assert {(of, row["success_count"]) for (_, of), row in found.items()} == {("", 1)}
    assert len(found) == 2 * counting.SOME + 1


async def test_a_node_that_comes_back_at_the_last_moment_stays(left: Node) -> None:
    count(left, "pii_guard", "node1", 30, 10, 20.0)
    left.now += timedelta(hours=23)

    assert not await left.do(lambda uow: leave(uow, "node1"))
    assert not await left.do(lambda uow: leave(uow, "nobody"))
    assert (names(left), list(counts(left))) == (["node0", "node1"], [("pii_guard", "node1")])


async def test_a_kill_between_two_steps_loses_no_count(left: Node) -> None:
    count(left, "pii_guard", "node1", 30, 10, 20.0)
    left.now += timedelta(hours=25)
    presence = Presence(left.work, left.loader)
    number = 0
    while "node1" in names(left):
        left_over = number

        def fail(statement: Statement) -> None:
            nonlocal left_over
            left_over -= 1
            if left_over < 0:
                raise DatabaseUnavailable

        left.before_statement = fail
        await presence.once()
        number += 1
        assert sum(row["success_count"] for row in counts(left).values()) == 30

    assert number > 6
    assert list(counts(left)) == [("pii_guard", "")]
