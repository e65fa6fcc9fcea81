"""The file that a node serves when it starts without its database."""

import asyncio
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ringback.customers.keys import service as keys
from ringback.customers.keys import store
from ringback.kit.db import Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.kit.secret import Secret
from ringback.router.extensions.following import Follower
from ringback.router.extensions.keeping import Keeper, read
from ringback.router.work import Uow
from ringback.router_node import access_keys
from tests.patience import ENOUGH
from tests.router.conftest import Node


def fail(statement: Statement) -> None:
    raise DatabaseUnavailable


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home" / "registry.json"


@pytest.mark.contract("router R-1d, R-1e, F-5, D-8")
async def test_a_start_without_a_database_serves_the_file_until_it_is_there(
    node: Node, make_node: Callable[[], Node], file: Path
) -> None:
    await node.create("upper", config={"token": "env:RINGBACK_SECRET_X"})
    await Keeper(node.work, node.loader, file, access_keys).keep()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    late = make_node()
    late.before_statement = fail
    keeper = Keeper(late.work, late.loader, file, access_keys)
    follower = Follower(late.loader, interval=60, poll=1, otherwise=keeper.restore)
    await follower.once()

    stats = late.loader.stats()
    assert (stats.source, stats.degraded, stats.revision) == ("snapshot", True, node.registry.snapshot.revision)
    assert stats.snapshot_age_s is not None
    assert late.registry.snapshot == node.registry.snapshot

    await node.update("upper", timeout_ms=70)
    late.before_statement = lambda statement: None
    await follower.once()
    stats = late.loader.stats()
    assert (stats.source, stats.degraded, stats.snapshot_age_s) == ("database", False, None)
    assert late.registry.lookup("upper").timeout_ms == 70


@pytest.mark.contract("router R-1d")
@pytest.mark.parametrize("harm", ["cut", "changed", "format", "empty", "none"])
async def test_a_file_that_is_not_as_it_was_written_counts_as_missing(node: Node, file: Path, harm: str) -> None:
    await Keeper(node.work, node.loader, file, access_keys).keep()
    text = file.read_text()
    assert read(file)
    harmed = {"cut": text[:-9], "changed": text.replace("4096", "4097"), "format": text.replace(":1,", ":2,", 1)}
    file.write_text(harmed.get(harm, ""))
    if harm == "none":
        file.unlink()
    before = node.registry.snapshot

    assert not await Keeper(node.work, node.loader, file, access_keys).restore()
    assert (node.registry.snapshot is before, node.loader.stats().source) == (True, "database")


@pytest.mark.contract("router R-1e")
async def test_without_a_file_it_serves_nothing_and_goes_on_trying(make_node: Callable[[], Node], file: Path) -> None:
    node = make_node()
    node.before_statement = fail
    keeper = Keeper(node.work, node.loader, file, access_keys)
    follower = Follower(node.loader, interval=60, poll=1, otherwise=keeper.restore)
    await follower.once()
    assert (node.loader.stats().source, node.loader.stats().degraded) == ("none", True)
    await keeper.keep()
    assert not file.exists()

    node.before_statement = lambda statement: None
    await follower.once()
    assert (node.loader.stats().source, len(node.registry.snapshot.by_id)) == ("database", 6)


@pytest.mark.contract("router R-1d")
async def test_the_file_follows_changes_now_and_then_and_the_last_one_at_the_end(node: Node, file: Path) -> None:
    pauses: list[float] = []
    paused, ended = asyncio.Event(), asyncio.Event()

    async def pause(woken: asyncio.Event, seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            await woken.wait()
            return
        paused.set()
        await ended.wait()

    keeper = Keeper(node.work, node.loader, file, access_keys, pause=pause)
    running = asyncio.create_task(keeper.run())
    await node.create("upper")
    async with asyncio.timeout(ENOUGH):
        await paused.wait()
    first = read(file)
    await node.update("upper", timeout_ms=70)
    running.cancel()
    await asyncio.wait({running})

    last = read(file)
    assert pauses == [10.0, 10.0]
    assert first
    assert last
    assert (first[1].by_id["upper"].timeout_ms, last[1].by_id["upper"].timeout_ms) == (5000, 70)
    assert last[0].audit_id == node.sql("SELECT audit_id FROM registry_revision")[0]["audit_id"]


@pytest.mark.contract("router R-1d")
async def test_the_file_has_the_hashes_of_keys_that_work_and_their_roles(node: Node, file: Path) -> None:
    token = Secret("rb_of_the_operator")

    async def keep(uow: Uow) -> None:
        await keys.keep(uow, token, None, "ops", "operator")

    await node.do(keep)
    await Keeper(node.work, node.loader, file, access_keys).keep()

    found = read(file)
    assert found
    assert [(key["roles"], key["customer_id"], len(key["token_hash"])) for key in found[0].keys] == [
        (["operator"], None, 64)
    ]
    assert token.reveal() not in file.read_text()


@pytest.mark.contract("router R-1d")
async def test_what_is_in_the_file_already_is_not_written_again_and_no_keys_are_lost_in_an_outage(
    node: Node, file: Path
) -> None:
    async def some(uow: Uow) -> AsyncIterator[dict[str, Any]]:
        await uow.session.all(store.BEHIND, after=uow.new_id())
        yield {"hash": "x"}

    keeper = Keeper(node.work, node.loader, file, some)
    await keeper.keep()
    written = file.stat().st_mtime_ns, file.stat().st_ino
    await keeper.keep()
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == written

    await node.create("upper")
    node.before_statement = fail
    await keeper.keep()
    found = read(file)
    assert found
    assert ("upper" in found[1].by_id, found[0].keys) == (True, [{"hash": "x"}])
