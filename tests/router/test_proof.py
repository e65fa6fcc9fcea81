"""The proof of the audit log: beside those who write, against a file of the node, once a day by one of the nodes."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ringback.kit.db import Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.router.audit import service as audit
from ringback.router.audit import store
from ringback.router.audit.daily import Daily
from ringback.router.audit.service import Followed
from ringback.router.extensions.keeping import Keeper, read
from ringback.router_node import access_keys
from tests.router.conftest import Node
from tests.router.test_size import Seen

GONE = "DELETE FROM extension_audit_log WHERE id > 7"
BACK = "UPDATE registry_revision SET audit_id = 7, audit_hash = (SELECT hash FROM extension_audit_log WHERE id = 7)"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "registry.json"


async def verified(node: Node) -> tuple[bool, int | None]:
    found = await node.work.read(audit.verify)
    return found.ok, found.first_bad


def take_back(node: Node) -> None:
    """Remove the newest entries and set the head back to the last one that is left."""
    node.ground.unguard()
    node.sql(GONE)
    node.sql(BACK)


@pytest.mark.contract("router R-5c")
async def test_newest_entries_that_go_together_with_the_head_are_found_by_the_file(
    node: Node, make_node: Callable[[], Node], file: Path
) -> None:
    for number in range(3):
        await node.create(f"upper{number}")
    keeper = Keeper(node.work, node.loader, file, access_keys)
    await keeper.keep()
    assert await verified(node) == (True, None)
    take_back(node)

    assert await verified(node) == (False, 8)
    other = make_node()
    assert await verified(other) == (True, None), "the database alone says nothing of it"
    await Keeper(other.work, other.loader, file, access_keys).recall()
    assert await verified(other) == (False, 8)

    await node.create("lower")
    await keeper.keep()
    kept = read(file)
    assert kept
    assert ("lower" in kept[1].by_id, kept[0].audit_id) == (True, 9), "the file goes on, and remembers"
    assert await verified(node) == (False, 9)
    for number in range(3):
        await node.update("lower", timeout_ms=50 + number)
    assert await verified(node) == (False, 9), "as many entries as before are others"


@pytest.mark.contract("router R-5c, R-1d")
async def test_a_start_remembers_what_the_file_of_the_last_run_says(
    node: Node, make_node: Callable[[], Node], file: Path
) -> None:
    for number in range(3):
        await node.create(f"upper{number}")
    await Keeper(node.work, node.loader, file, access_keys).keep()
    take_back(node)

    late = make_node()
    keeper = Keeper(late.work, late.loader, file, access_keys)
    await keeper.recall()
    await late.loader.reload()
    await keeper.keep()

    assert await verified(late) == (False, 8)


@pytest.mark.contract("router R-5c")
async def test_entries_that_come_while_the_chain_is_followed_are_no_faults(node: Node) -> None:
    async def write() -> None:
        for number in range(10):
            await node.create(f"upper{number}")

    found, _ = await asyncio.gather(node.work.read(audit.verify), write())

    assert (found.ok, found.checked == found.head, (await node.work.read(audit.verify)).checked) == (True, True, 16)


@pytest.mark.contract("router R-5c")
async def test_a_row_that_is_no_entry_any_more_is_the_first_bad_one(node: Node) -> None:
    rows = await node.work.read(lambda uow: store.behind(uow.session, 0))
    followed = Followed()

    assert not followed.take([*rows[:2], {**rows[2], "timestamp": None}])
    assert followed.last == 2


@pytest.mark.contract("router R-5c, T-9")
async def test_hashes_are_made_beside_the_loop_a_page_at_a_time(node: Node) -> None:
    asked: list[Statement] = []
    node.before_statement = asked.append
    threads = Seen()
    asyncio.get_running_loop().set_default_executor(threads)

    await node.work.read(audit.verify)

    assert store.PAGE <= 200
    assert asked.count(store.BEHIND) == 2
    assert [call.__name__ for call in threads.asked if callable(call)] == ["take"]


@pytest.mark.contract("router R-5c")
async def test_once_a_day_one_node_proves_the_log_and_all_know(make_node: Callable[[], Node]) -> None:
    one, other = make_node(), make_node()
    for node in (one, other):
        await node.loader.reload()
    mine, theirs = Daily(one.work), Daily(other.work)
    proofs: list[Statement] = []
    for node in (one, other):
        node.before_statement = lambda said: proofs.append(said) if said is store.BEHIND else None

    await mine.once()
    assert mine.last
    assert (mine.last.ok, mine.last.checked, len(proofs)) == (True, 6, 2)
    other.now += timedelta(hours=23, minutes=59)
    await theirs.once()
    assert (theirs.last, len(proofs)) == (mine.last, 2)

    other.now += timedelta(minutes=2)
    await theirs.once()
    one.now = other.now
    await mine.once()
    assert (mine.last == theirs.last, len(proofs)) == (True, 4)


@pytest.mark.contract("router R-5c")
async def test_a_proof_that_fails_is_an_error_in_the_log_once(node: Node) -> None:
    for number in range(3):
        await node.create(f"upper{number}")
    node.ground.unguard()
    node.sql(GONE)
    daily = Daily(node.work)

    with capture_logs() as lines:
        for _ in range(3):
            await daily.once()

    assert daily.last
    assert (daily.last.ok, daily.last.first_bad) == (False, 8)
    assert [(line["log_level"], line["first_bad"]) for line in lines] == [("error", 8)]


async def test_an_outage_is_no_verdict_and_is_told_of_once(node: Node) -> None:
    def fail(statement: Statement) -> None:
        raise DatabaseUnavailable

    daily = Daily(node.work)
    node.before_statement = fail
    with capture_logs() as lines:
        await daily.once()
        await daily.once()
    assert (daily.last, [line["log_level"] for line in lines]) == (None, ["warning", "info"])

    node.before_statement = lambda statement: None
    await daily.once()
    assert daily.last
    assert daily.last.ok


async def test_where_there_may_be_other_servers_their_turn_is_left_to_them(node: Node) -> None:
    said: list[Any] = []
    node.before_statement = lambda statement: said.append(statement) if statement is store.BEHIND else None
    ends, begins = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with node.database.turn("audit") as ours:
            assert ours
            begins.set()
            await ends.wait()

    holding = asyncio.create_task(hold())
    await begins.wait()
    await Daily(node.work).once()
    ends.set()
    await holding

    is_one_server = not hasattr(node.ground, "path")
    assert (said == []) is is_one_server
