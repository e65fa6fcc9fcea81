"""What was counted of calls reaches the database, once, whatever happens on the way."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ringback.kit.bus import TooLate
from ringback.kit.db import Duplicate, Refused, Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.router.extensions import service
from ringback.router.extensions.health import Health, health, healths, healths_of
from ringback.router.extensions.purging import purge
from ringback.router.invoking import store
from ringback.router.invoking.circuits import Circuit, Circuits
from ringback.router.invoking.flushing import Flush
from ringback.router.invoking.invoker import Invoker
from ringback.router.invoking.outcome import Asked
from tests.router.conftest import Node
from tests.router.invoking.edges import OK, Clock, Script, reading


class Counting:
    """A node whose calls are counted at a time of its own."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.ticks = Clock()
        node.registry.circuits = Circuits(clock=self.ticks, random=lambda: 0.5)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.flush = Flush(
            node.work, node.registry, interval=5, tell=lambda id, told: self.told.append((id, told)), pause=self.pause
        )

    async def pause(self, seconds: float) -> None:
        self.wait(seconds)
        await asyncio.sleep(0)

    def wait(self, seconds: float) -> None:
        self.ticks.now += seconds
        self.node.now += timedelta(seconds=seconds)

    def circuit(self, id: str = "pii_guard") -> Circuit:
        record = self.node.registry.get_cached(id)
        assert record
        return self.node.registry.circuits.of(record)

    def count(self, won: int, lost: int = 0, milliseconds: float = 20.0, id: str = "pii_guard") -> None:
        for number in range(won + lost):
            self.circuit(id).count(self.ticks.now, milliseconds, succeeded=number < won)

    async def health(self, id: str = "pii_guard") -> Health:
        return await self.node.do(lambda uow: health(uow, id))

    def rows(self) -> dict[tuple[str, str], dict[str, Any]]:
        found = self.node.sql("SELECT * FROM extension_health")
        return {(row["extension_id"], row["node_id"]): row for row in found}


@pytest.fixture
async def make(make_node: Callable[[], Node]) -> Callable[[], Any]:
    async def made() -> Counting:
        node = make_node()
        assert (await node.loader.reload()).ok
        return Counting(node)

    return made


@pytest.fixture
async def one(make: Callable[[], Any]) -> Counting:
    found: Counting = await make()
    return found


@pytest.mark.contract("router R-7a, D-7, F-10")
async def test_what_was_counted_is_written_and_added_to_what_is_stored(one: Counting) -> None:
    one.count(8, 2, 10.0)
    await one.flush.once()
    one.count(5, 5, 30.0)
    one.wait(3)
    await one.flush.once()

    row = one.rows()["pii_guard", "node0"]
    assert (row["success_count"], row["failure_count"], row["avg_latency_ms"]) == (13, 7, 20.0)
    assert (row["window_success"], row["window_failure"], row["latency_samples"]) == (13, 7, 20)
    assert row["p50_latency_ms"] == pytest.approx(10, rel=0.05)
    assert row["p95_latency_ms"] == row["p99_latency_ms"] == pytest.approx(30, rel=0.05)
    assert (row["last_latency_ms"], row["circuit_breaker_state"]) == (30.0, "closed")
    assert (one.circuit().is_counted, one.circuit().milliseconds) == (True, 0.0)
    found = await one.health()
    last = found.latest("last_success")
    assert last
    assert timedelta(seconds=2.9) < one.node.now - last < timedelta(seconds=3.1)


@pytest.mark.contract("router R-7a, T-3")
async def test_an_idle_node_writes_nothing_and_a_busy_one_all_in_one_transaction(one: Counting) -> None:
    statements: list[Statement] = []
    await one.flush.once()
    one.node.before_statement = statements.append
    await one.flush.once()
    assert statements == [store.SINCE]
    for id in ("pii_guard", "normalize_text", "mock_provider"):
        one.count(4, id=id)
    assert statements == [store.SINCE], "counting says nothing to the database"
    statements.clear()

    await one.flush.once()

    assert statements.count(store.OWN) == statements.count(store.THERE) == 1
    assert statements.count(store.ADD_COUNT) == 3
    assert len(statements) <= 7


@pytest.mark.contract("router T-3")
async def test_a_thousand_calls_say_nothing_to_the_database(one: Counting) -> None:
    statements: list[Statement] = []
    one.node.before_statement = statements.append
    bus = Script(one.ticks, *[TooLate() if number % 3 else OK for number in range(1000)], took=0.001)
    invoker = Invoker(bus, one.node.registry.circuits)
    record = one.node.registry.lookup("pii_guard")

    causes = [(await invoker.call(Asked(record, b"{}", 200, 0, one.ticks.now + 5), reading)).cause for _ in range(1000)]

    assert statements == []
    assert {None, "timeout", "unavailable"} >= set(causes) > {None}


@pytest.mark.contract("router R-7a, D-5")
async def test_a_flush_that_fails_loses_nothing_and_counts_nothing_twice(one: Counting) -> None:
    one.count(3, 1)
    await one.flush.once()
    for number in range(5):
        one.count(1)
        one.node.fail_from(number)
        await one.flush.once()
        one.node.before_statement = lambda statement: None

    await one.flush.once()

    row = one.rows()["pii_guard", "node0"]
    assert (row["success_count"], row["failure_count"]) == (8, 1)


@pytest.mark.contract("router R-7a")
@pytest.mark.parametrize("error", [Duplicate("id"), Refused("1142"), DatabaseUnavailable()])
async def test_whatever_the_database_says_the_next_flush_is_tried_and_a_stop_is_clean(
    one: Counting, error: Exception
) -> None:
    def complain(statement: Statement) -> None:
        raise error

    one.count(3, 1)
    one.node.before_statement = complain
    await one.flush.once()
    await one.flush.leave()
    one.node.before_statement = lambda statement: None

    await one.flush.once()

    assert one.rows()["pii_guard", "node0"]["success_count"] == 3


@pytest.mark.contract("router R-7a")
async def test_a_call_that_ends_while_the_others_are_written_is_written_the_next_time(one: Counting) -> None:
    one.count(2)

    def before(statement: Statement) -> None:
        if statement is store.ADD_COUNT:
            one.count(1, 0, 50.0)

    one.node.before_statement = before
    await one.flush.once()
    assert (one.rows()["pii_guard", "node0"]["success_count"], one.circuit().successes) == (2, 1)
    one.node.before_statement = lambda statement: None
    await one.flush.once()

    row = one.rows()["pii_guard", "node0"]
    assert (row["success_count"], row["avg_latency_ms"]) == (3, 30.0)


@pytest.mark.contract("router R-7a")
async def test_the_window_of_the_row_empties_with_that_in_memory(one: Counting) -> None:
    one.count(3)
    await one.flush.once()
    one.wait(310)
    await one.flush.once()

    row = one.rows()["pii_guard", "node0"]
    assert (row["window_success"], row["latency_samples"], row["p95_latency_ms"]) == (0, 0, None)
    assert row["success_count"] == 3
    assert (await one.health()).basis == "lifetime"


@pytest.mark.contract("router R-7a, R-7b, D-5")
async def test_counts_are_those_of_all_nodes_and_what_this_one_has_not_written(
    one: Counting, make: Callable[[], Any]
) -> None:
    other = await make()
    other.count(6, 0)
    await other.flush.once()
    one.count(1, 3)

    mine, theirs = await one.health(), await other.health()

    assert (mine.success_count, mine.failure_count, mine.health_score) == (7, 3, 70.0)
    assert (mine.window_success, mine.window_failure, mine.basis, mine.status) == (7, 3, "window", "unhealthy")
    assert [(row["node_id"], row["success_count"]) for row in mine.nodes] == [("node0", 1), ("node1", 6)]
    assert (theirs.success_count, theirs.failure_count, theirs.status) == (6, 0, "healthy")
    assert (await one.node.do(healths))["pii_guard"].failure_count == 3
    page = await one.node.do(lambda uow: healths_of(uow, ["pii_guard"]))
    assert page["pii_guard"].health_score == 70.0


@pytest.mark.contract("router R-7b")
async def test_percentiles_are_of_the_node_that_answers_and_the_mean_is_of_all(
    one: Counting, make: Callable[[], Any]
) -> None:
    other = await make()
    one.count(3, 0, 10.0)
    other.count(1, 0, 90.0)
    await other.flush.once()
    await one.flush.once()
    other.wait(1)
    other.count(1, 0, 90.0)
    await other.flush.once()

    found = await one.health()

    assert found.nearest["p95_latency_ms"] == pytest.approx(10, rel=0.05)
    assert found.mean_latency == pytest.approx((30 + 180) / 5)


@pytest.mark.contract("router R-7b")
async def test_a_status_is_published_when_it_has_held_for_ten_seconds(one: Counting) -> None:
    assert (await one.health()).status == "unknown"
    one.count(100)
    assert (await one.health()).status == "healthy", "after the first call it is not unknown any more"
    one.count(0, 20)
    assert (await one.health()).status == "healthy"
    one.wait(9.9)
    assert (await one.health()).status == "healthy"
    one.wait(0.1)
    assert (await one.health()).status == "degraded"


@pytest.mark.contract("router R-7b")
async def test_a_status_that_comes_and_goes_is_never_published(one: Counting) -> None:
    one.count(90, 0)
    for _ in range(10):
        assert (await one.health()).status == "healthy"
        one.count(0, 10)
        one.wait(5)
        assert (await one.health()).status == "healthy"
        one.count(190, 0)
        one.wait(5)


@pytest.mark.contract("router R-7b")
async def test_a_status_holds_and_is_told_though_nobody_asks_and_another_node_counts(
    one: Counting, make: Callable[[], Any]
) -> None:
    other = await make()
    one.count(10)
    await one.flush.once()
    other.count(0, 10)
    await other.flush.once()
    for _ in range(3):
        one.wait(5)
        other.wait(5)
        await one.flush.once()

    assert (await one.health()).status == "unhealthy"
    assert [(id, told["status"]) for id, told in one.told] == [("pii_guard", "healthy"), ("pii_guard", "unhealthy")]


@pytest.mark.contract("router R-7b")
async def test_a_node_that_is_silent_for_a_whole_window_has_none_and_no_breaker(
    one: Counting, make: Callable[[], Any]
) -> None:
    other = await make()
    other.count(0, 4)
    other.circuit().breaker.force("open")
    await other.flush.once()
    assert (await one.health()).circuit_breaker_state == "open"
    one.wait(301)

    found = await one.health()

    assert (found.circuit_breaker_state, found.basis, found.failure_count) == ("closed", "lifetime", 4)


@pytest.mark.contract("router R-7a, R-8a")
async def test_a_breaker_that_is_not_closed_is_written_again_and_again_so_that_it_stays_known(one: Counting) -> None:
    turns = [one.circuit().breaker.admit(one.ticks.now + 1) for _ in range(5)]
    for turn in turns:
        assert turn is not None
        one.circuit().breaker.ended(turn, False)
    for _ in range(12):
        await one.flush.once()
        one.wait(5)
    row = one.rows()["pii_guard", "node0"]
    assert (row["circuit_breaker_state"], row["circuit_breaker_reason"]) == ("open", "consecutive")
    stored = await one.node.do(lambda uow: store.own(uow.session, "node0", ["pii_guard"]))
    assert one.node.now - stored["pii_guard"]["updated_at"] < timedelta(seconds=6)

    await one.flush.once()

    assert one.rows()["pii_guard", "node0"]["circuit_breaker_state"] == "half_open"
    assert (await one.health()).circuit_breaker_state == "half_open"


@pytest.mark.contract("router R-7a")
async def test_a_clean_stop_writes_the_last_calls_and_leaves_no_window_and_no_breaker(one: Counting) -> None:
    looked = asyncio.Event()
    one.node.before_statement = lambda statement: looked.set() if statement is store.SINCE else None
    running = asyncio.create_task(one.flush.run())
    await looked.wait()
    one.count(2, 1)
    one.circuit().breaker.force("open")
    running.cancel()
    await asyncio.wait([running])

    row = one.rows()["pii_guard", "node0"]
    assert (row["success_count"], row["failure_count"]) == (2, 1)
    assert (row["window_success"], row["circuit_breaker_state"], row["latency_samples"]) == (0, None, 0)


@pytest.mark.contract("router R-7a")
async def test_a_start_forgets_the_window_and_the_breaker_of_a_process_that_was_killed(one: Counting) -> None:
    one.count(0, 3)
    one.circuit().breaker.force("open")
    await one.flush.once()
    one.node.registry.circuits = Circuits(clock=one.ticks)

    await Flush(one.node.work, one.node.registry, interval=5).once()

    found = await one.health()
    assert (found.circuit_breaker_state, found.basis, found.failure_count) == ("closed", "lifetime", 3)


@pytest.mark.contract("router R-7a, R-6c")
async def test_what_was_deleted_leaves_the_memory_when_it_is_written_and_what_was_purged_is_skipped(
    one: Counting,
) -> None:
    for id in ("upper", "lower"):
        await one.node.create(id)
        await one.flush.once()
        one.count(2, id=id)
        await one.node.do(lambda uow, id=id: service.delete(uow, id))  # type: ignore[misc]
        assert id in one.node.registry.circuits.by_id
        if id == "lower":
            one.node.now += timedelta(days=31)
            await one.node.do(lambda uow: purge(uow, ["lower"], uow.now - timedelta(days=30)))
        await one.flush.once()
        assert id not in one.node.registry.circuits.by_id

    assert [key for key in one.rows() if key[0] == "lower"] == []


@pytest.mark.contract("router R-7a")
async def test_what_was_deleted_while_the_database_is_away_is_counted_when_it_is_back(one: Counting) -> None:
    await one.node.create("upper")
    one.count(2, id="upper")
    await one.node.do(lambda uow: service.delete(uow, "upper"))
    one.node.fail_from(0)
    await one.flush.once()
    one.node.before_statement = lambda statement: None
    await one.flush.once()

    assert one.rows()["upper", "node0"]["success_count"] == 2
    assert "upper" not in one.node.registry.circuits.by_id


@pytest.mark.contract("router R-8e")
async def test_what_one_node_forces_is_so_on_all_that_follow(one: Counting, make: Callable[[], Any]) -> None:
    other = await make()
    await one.node.do(lambda uow: service.force_breaker(uow, "pii_guard", "open"))
    assert one.node.registry.circuits.is_open("pii_guard")
    assert not other.node.registry.circuits.is_open("pii_guard")

    assert await other.node.loader.catch_up()

    assert other.node.registry.circuits.is_open("pii_guard")
    await other.node.do(lambda uow: service.force_breaker(uow, "pii_guard", "none"))
    assert await one.node.loader.catch_up()
    assert not one.node.registry.circuits.is_open("pii_guard")


async def test_how_those_do_that_were_written_is_told_in_the_shape_of_their_health(one: Counting) -> None:
    one.count(3)
    await one.flush.once()
    await one.flush.once()

    ((id, told),) = one.told
    assert (id, told["status"], told["window"]["success_count"]) == ("pii_guard", "healthy", 3)
    assert told["nodes"][0]["node_id"] == "node0"
