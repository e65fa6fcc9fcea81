"""The nodes know of each other, and of what each of them serves."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from ringback.kit.db import Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.router.nodes.presence import Presence
from tests.router.conftest import Node

Pair = tuple[Node, Node, Presence, Presence]


@pytest.fixture
async def both(make_node: Callable[[], Node]) -> Pair:
    one, other = make_node(), make_node()
    for node in (one, other):
        await node.loader.reload()
    return one, other, Presence(one.work, one.loader), Presence(other.work, other.loader)


def rows(node: Node) -> list[tuple[str, int]]:
    return [(row["node_id"], row["applied_revision"]) for row in node.sql("SELECT * FROM router_nodes ORDER BY 1")]


@pytest.mark.contract("router R-2c")
async def test_a_node_alone_says_once_that_it_is_there_and_beside_others_again_and_again(both: Pair) -> None:
    one, _, mine, theirs = both
    statements: list[Statement] = []
    await mine.once()
    assert rows(one) == [("node0", one.registry.snapshot.revision)]

    one.before_statement = statements.append
    one.now += timedelta(seconds=60)
    await mine.once()
    assert len(statements) == 1

    await theirs.once()
    await mine.once()
    assert len(statements) > 2
    statements.clear()
    await mine.once()
    one.now += timedelta(seconds=4)
    await mine.once()
    assert len(statements) == 2
    one.now += timedelta(seconds=2)
    await mine.once()
    assert len(statements) == 4


@pytest.mark.contract("router R-2c")
async def test_who_waits_for_a_revision_learns_who_does_not_serve_it_yet(both: Pair) -> None:
    one, other, mine, theirs = both
    await mine.once()
    await theirs.once()
    await one.create("upper")
    revision = one.registry.snapshot.revision

    assert (await mine.wait_applied(revision, 0)).pending == ["node1"]
    waiting = asyncio.create_task(mine.wait_applied(revision, 20))
    await other.loader.catch_up()
    await theirs.once()
    applied = await waiting
    assert (applied.revision, applied.nodes, applied.pending) == (revision, 2, [])
    assert (await theirs.wait_applied(revision + 1, 0)).pending == ["node0", "node1"]


@pytest.mark.contract("router R-2c")
async def test_nobody_waits_for_a_node_that_is_not_heard_of(both: Pair) -> None:
    one, _, mine, theirs = both
    await theirs.once()
    await one.create("upper")
    one.now += timedelta(seconds=14)
    assert (await mine.wait_applied(one.registry.snapshot.revision, 0)).pending == ["node1"]
    one.now += timedelta(seconds=2)

    assert (await mine.wait_applied(one.registry.snapshot.revision, 0)).pending == []
    assert [node.is_stale(one.now) for node in await mine.nodes()] == [True]


@pytest.mark.contract("router R-2c, R-1c")
async def test_a_node_tells_which_rows_it_cannot_serve(both: Pair) -> None:
    one, _, mine, _ = both
    one.sql("UPDATE extensions SET subject = 'beamline.>' WHERE id = 'normalize_text'")
    await one.loader.reload()
    await mine.once()

    (found,) = await mine.nodes()
    assert [nack["id"] for nack in found.served.nack] == ["normalize_text"]
    assert found.served.source == "database"


@pytest.mark.contract("router R-2c")
async def test_a_clean_stop_takes_the_row_away_and_an_outage_does_not_end_it(both: Pair) -> None:
    one, _, mine, theirs = both

    def fail(statement: Statement) -> None:
        raise DatabaseUnavailable

    await theirs.once()
    one.before_statement = fail
    await mine.once()
    one.before_statement = lambda statement: None
    is_there = asyncio.Event()

    async def pause(woken: asyncio.Event, seconds: float) -> None:
        is_there.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(Presence(one.work, one.loader, pause=pause).run())
    await is_there.wait()
    assert [node_id for node_id, _ in rows(one)] == ["node0", "node1"]
    running.cancel()
    await asyncio.wait({running})

    assert [node_id for node_id, _ in rows(one)] == ["node1"]


@pytest.mark.contract("router R-2c, X-9, X-11")
async def test_a_registry_is_all_that_a_caller_needs(both: Pair) -> None:
    one, other, mine, theirs = both
    await mine.once()
    await theirs.once()
    await one.create("upper")

    assert (await other.registry.reload()).changed == 1
    assert (other.registry.stats().load_count, other.registry.stats().total_extensions) == (2, 7)
    await theirs.once()
    applied = await one.registry.wait_applied(other.registry.stats().revision, 20)
    assert (applied.nodes, applied.pending) == (2, [])


@pytest.mark.contract("router R-2c")
async def test_who_waits_goes_on_when_the_database_is_back_and_says_so_when_it_is_not(both: Pair) -> None:
    one, _, mine, _ = both
    await mine.once()
    failures = iter([True, True, False])

    def sometimes(statement: Statement) -> None:
        if next(failures, True):
            raise DatabaseUnavailable

    one.before_statement = sometimes
    applied = await one.registry.wait_applied(one.registry.snapshot.revision, 20)
    assert (applied.nodes, applied.pending) == (1, [])
    with pytest.raises(DatabaseUnavailable):
        await one.registry.wait_applied(one.registry.snapshot.revision, 0.05)
