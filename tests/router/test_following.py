"""When the registry is loaded, and when only what changed."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest

from ringback.kit.db import Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.router.extensions import store
from ringback.router.extensions.following import LONGEST, Follower
from ringback.router.extensions.loading import FEW
from tests.patience import ENOUGH
from tests.router.conftest import Node


class Clock:
    """Time that passes only while a follower pauses; after `until` seconds it ends."""

    def __init__(self, until: float) -> None:
        self.now = 0.0
        self.until = until
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def pause(self, woken: asyncio.Event, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        if self.now > self.until:
            raise asyncio.CancelledError


async def followed(node: Node, until: float, *, interval: float, poll: float = 1.0) -> Clock:
    clock = Clock(until)
    follower = Follower(node.loader, interval=interval, poll=poll, clock=clock, pause=clock.pause)
    with pytest.raises(asyncio.CancelledError):
        await follower.run()
    return clock


@pytest.mark.contract("router X-12, R-2b")
@pytest.mark.parametrize(("interval", "loads"), [(60, 2), (15, 5), (120, 1)])
async def test_everything_is_loaded_at_start_and_every_interval(
    make_node: Callable[[], Node], interval: float, loads: int
) -> None:
    node = make_node()
    node.sql("UPDATE extensions SET timeout_ms = 90 WHERE id = 'normalize_text'")

    await followed(node, 61, interval=interval)

    assert node.loader.stats().load_count == loads
    assert node.registry.lookup("normalize_text").timeout_ms == 90


@pytest.mark.contract("router R-2a")
async def test_between_two_loads_one_statement_a_look_finds_what_changed(make_node: Callable[[], Node]) -> None:
    one, other = make_node(), make_node()
    await one.loader.reload()
    await other.loader.reload()
    clock = Clock(1e9)
    follower = Follower(other.loader, interval=60, poll=1, clock=clock, pause=clock.pause)
    await follower.once()
    asked: list[Statement] = []
    other.before_statement = asked.append

    clock.now += 1
    await follower.once()
    assert len(asked) == 1

    await one.create("upper")
    await follower.once()
    assert other.registry.lookup("upper")
    assert (len(asked), other.loader.stats().load_count) == (4, 2)


@pytest.mark.contract("router R-2a")
async def test_who_sees_that_nobody_wrote_asks_nothing(make_node: Callable[[], Node]) -> None:
    one, other = make_node(), make_node()
    await one.loader.reload()
    versions = [1]
    clock = Clock(1e9)
    follower = Follower(other.loader, interval=60, poll=1, version=lambda: versions[-1], clock=clock)
    await follower.once()
    asked: list[Statement] = []
    other.before_statement = asked.append

    other.now += timedelta(minutes=10)
    assert (other.loader.age or 0) > 600
    await follower.once()
    assert (asked, (other.loader.age or 0) < 1) == ([], True), "that nobody wrote is as good as a load"
    await one.create("upper")
    versions.append(2)
    await follower.once()
    assert other.registry.lookup("upper")
    asked.clear()
    await follower.once()
    assert asked == []
    follower.heard()
    await follower.once()
    assert len(asked) == 1


@pytest.mark.contract("router R-2a")
async def test_who_is_told_of_a_change_looks_at_once(make_node: Callable[[], Node]) -> None:
    one, other = make_node(), make_node()
    await one.loader.reload()
    follower = Follower(other.loader, interval=3600, poll=3600)
    has_new = asyncio.Event()
    other.registry.watchers.append(has_new.set)
    following = asyncio.create_task(follower.run())
    async with asyncio.timeout(ENOUGH):
        await has_new.wait()
        has_new.clear()
        await one.create("upper")
        follower.heard()
        await has_new.wait()
    assert other.registry.lookup("upper")

    has_new.clear()
    one.sql("UPDATE extensions SET timeout_ms = 90 WHERE id = 'upper'")
    follower.missed()
    async with asyncio.timeout(ENOUGH):
        while other.registry.lookup("upper").timeout_ms != 90:
            await has_new.wait()
            has_new.clear()
    following.cancel()


@pytest.mark.contract("router R-1b, R-2b")
async def test_after_an_outage_everything_is_loaded_and_until_then_tried_less_and_less(node: Node) -> None:
    before = node.registry.snapshot

    def fail(statement: Statement) -> None:
        raise DatabaseUnavailable

    clock = Clock(1e9)
    follower = Follower(node.loader, interval=3600, poll=0.05, clock=clock, pause=clock.pause)
    await follower.once()
    node.before_statement = fail
    node.sql("UPDATE extensions SET timeout_ms = 90 WHERE id = 'normalize_text'")
    clock.until = 60
    with pytest.raises(asyncio.CancelledError):
        await follower.run()
    stats = node.loader.stats()
    assert (stats.degraded, stats.source, node.registry.snapshot.checksum) == (True, "database", before.checksum)
    assert stats.snapshot_age_s is not None
    assert clock.pauses[0] < 1
    assert all(LONGEST / 2 <= pause <= LONGEST for pause in clock.pauses[-3:])

    node.before_statement = lambda statement: None
    await follower.once()

    assert node.registry.lookup("normalize_text").timeout_ms == 90
    assert (node.loader.stats().degraded, node.loader.stats().snapshot_age_s) == (False, None)


@pytest.mark.contract("router R-2a")
async def test_a_head_that_somebody_spoilt_is_looked_into_once(node: Node) -> None:
    node.sql("UPDATE registry_revision SET checksum = ?", "f" * 64)

    for _ in range(3):
        assert await node.loader.catch_up()

    assert node.loader.stats().load_count == 2


@pytest.mark.contract("router R-2a, T-9")
@pytest.mark.long
async def test_who_is_far_behind_loads_everything(make_node: Callable[[], Node]) -> None:
    one, other = make_node(), make_node()
    await one.loader.reload()
    await other.loader.reload()
    for number in range(FEW + 1):
        await one.create(f"upper{number}")

    await other.loader.catch_up()

    assert (other.registry.snapshot.checksum, other.loader.stats().load_count) == (one.registry.snapshot.checksum, 2)


@pytest.mark.contract("router R-2a, X-13")
async def test_what_changes_while_everything_is_read_is_in_the_load_too(make_node: Callable[[], Node]) -> None:
    one, other = make_node(), make_node()
    await one.loader.reload()
    asked: list[Statement] = []
    other.before_statement = asked.append

    async def reload() -> None:
        while store.SINCE not in asked:
            assert (await other.loader.reload()).ok

    async def change() -> None:
        for number in count():
            await one.create(f"a{number}")
            await asyncio.sleep(0)
            if store.SINCE in asked:
                return

    await asyncio.gather(reload(), change())
    assert store.NEWEST not in asked
    assert await other.loader.catch_up()

    assert other.registry.snapshot.checksum == one.registry.snapshot.checksum
    assert one.sql("SELECT id FROM extension_audit_log WHERE source = 'sql'") == []
