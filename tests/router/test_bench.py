"""What a benchmark makes of its figures."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from ringback.router.bench.content import mixed
from ringback.router.bench.figures import Figure, Found, Run, quantile, spread
from ringback.router.bench.ground import SQLITE
from ringback.router.bench.pipelines import FLYING, flight
from ringback.router.bench.reloads import Ticks, ticking
from ringback.router.bench.report import document, page
from ringback.router.bench.run import Sizes, measured

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)


@pytest.mark.contract("router X-31")
def test_one_missed_target_is_a_failure_of_the_whole() -> None:
    good = Figure("T-1", "lookup", 0.5, "us", "<", 10, 0.25, "bare dict")
    bad = Figure("T-2", "misses", 1, "", "=", 0)

    for figures, passed in (([good], True), ([good, bad], False)):
        run = Run("SQLite 3", [Found(figures, {"T-1": {"count": 7}})])
        whole = document({"cores": 2}, [run], NOW)
        assert (whole["passed"], whole["at"]) == (passed, "2026-01-05T10:00:00Z")
        assert ("FAIL" in page(whole)) is not passed
    assert whole["runs"][0]["details"] == {"T-1": {"count": 7}}
    assert whole["runs"][0]["results"][0] == {
        "number": "T-1", "what": "lookup", "figure": 0.5, "unit": "us", "target": "< 10 us", "pass": True,
        "floor": 0.25, "floor_is": "bare dict", "ratio": 2.0,
    }  # fmt: skip
    assert whole["runs"][0]["results"][1]["ratio"] is None


def test_a_page_tells_of_details_and_leaves_the_rounds_to_json() -> None:
    details = {"M-1": {"64": {"echo": {"a_second": 1234.5, "us": {"service": 115.25}, "rounds": [{"count": 7}]}}}}
    whole = document({"cores": 2}, [Run("RabbitMQ", [Found([Figure("M-1", "", 1, "", ">=", 0)], details)])], NOW)

    assert "- 64: echo (a_second 1,234, us (service 115))\n" in page(whole) + "\n"
    assert whole["runs"][0]["details"] == details


@pytest.mark.contract("router X-31")
def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    good, unknown = Figure("T-1", "lookup", 0.5, "us", "<", 10), Figure("T-5", "pipelines", None, "", ">=", 2000)

    for figures, passed in (([good, unknown], True), ([unknown], False)):
        run = Run("SQLite 3", [Found(figures)])
        assert document({"cores": 2}, [run], NOW)["passed"] is passed
        assert "| T-5 | pipelines | >= 2,000 | — |  |  | — |" in page(document({"cores": 2}, [run], NOW))
    assert (unknown.passes, unknown.ratio) == (None, None)


@pytest.mark.contract("router X-17, T-2, T-8, T-9")
@pytest.mark.long
@pytest.mark.sqlite
async def test_what_is_looked_up_is_counted_while_all_is_written_loaded_and_swapped() -> None:
    told: list[str] = []
    (run,) = await measured(["lookup", "reload"], [SQLITE], Sizes(records=100, seconds=0.4, changes=0), told.append)

    found = run.document()["details"]
    assert (found["T-8"]["hits"], found["T-8"]["misses"]) == (found["T-8"]["lookups"], 0)
    assert found["T-8"]["writes"] + found["T-8"]["failed_writes"] <= 4
    assert (found["T-2"]["misses"], found["T-2"]["failed_loads"], found["T-2"]["readers"]) == (0, 0, 4)
    assert found["T-2"]["lookups"] > 0
    assert {name: len(took) for name, took in found["T-9"]["load_seconds"].items()} == {"same": 5, "all_changed": 3}
    assert found["T-1"]["lookup_ns"]["count"] == 200_000
    assert [figure.number for figure in run.figures] == ["T-1", *["T-8"] * 4, "T-2", "T-9", "T-9"]
    assert "100 of 100 records made" in told


@pytest.mark.parametrize(
    ("value", "sign", "passes"),
    [(10, "<", False), (9.9, "<", True), (10, ">=", True), (9, ">=", False), (10, ">", False), (0, "=", False)],
)
def test_a_target_is_met_or_not(value: float, sign: str, passes: bool) -> None:
    assert Figure("T-1", "", value, "", sign, 10).passes is passes  # type: ignore[arg-type]


def test_a_figure_without_a_limit_is_shown_beside_its_floor_and_neither_met_nor_missed() -> None:
    shown = Figure("M-1", "a second", 3, "", ">=", None, 6, "echo", of_floor=True)

    assert (shown.target, shown.passes, shown.ratio) == ("", None, 0.5)
    whole = document({"cores": 2}, [Run("RabbitMQ", [Found([shown])])], NOW)
    assert "| M-1 | a second | — | 3 | 6 (echo) | 0.5 | — |" in page(whole)


def test_a_quantile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]

    assert [quantile(values, share) for share in (0, 0.5, 0.99, 1)] == [1, 50, 99, 100]
    assert spread([3.0]) == {"count": 1, "p50": 3, "p99": 3, "max": 3}


def test_what_was_due_while_the_loop_was_held_up_counts() -> None:
    ticks = Ticks()

    async def hold() -> None:
        async with ticking(ticks):
            await asyncio.sleep(0)
            end = time.perf_counter() + 0.05
            while time.perf_counter() < end:
                pass
            while not ticks.late:  # noqa: ASYNC110
                await asyncio.sleep(0)

    asyncio.run(hold())

    assert len(ticks.late) >= 49
    assert ticks.late[0] >= 48
    assert [round(ticks.late[0] - one) for one in ticks.late[:40]] == list(range(40))
    assert ticks.longest["late_ms"] == ticks.late[0]


def test_each_id_is_looked_up_as_often_as_the_others() -> None:
    ids = [str(number) for number in range(100)]

    assert sorted(mixed(ids, 200)) == sorted(ids * 2)


@pytest.mark.contract("router T-5")
async def test_however_short_the_time_is_each_of_those_in_flight_asks_once() -> None:
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1

    done = await flight(ask, 0)

    assert (done.count, asked) == (FLYING, FLYING)
