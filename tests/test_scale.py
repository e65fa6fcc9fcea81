"""docs/scale.md: its tables are what was measured, and the arithmetic is what it says."""

from typing import Any

import msgspec

from bench.costs import BESIDE, LOAD, PROCESSES, found, predicted, tables
from bench.scale import BEGIN, END, JSON, PAGE, written

EACH = {"service": 100.0, "broker": 10.0, "database": 1000.0, "edge": 20.0, "asterisk": 0.0}
COUNTS = {"statements_each": 2.0, "rows_read_each": 3.0, "rows_written_each": 1.0}
SCALE = {
    "idle_us_a_second": dict.fromkeys(PROCESSES, 5.0),
    "alone": {name: {"cpu_us_each": EACH, **COUNTS} for name in [*LOAD, *BESIDE]},
    "taken": {"service": 500.0},
    "mix": {"us_a_second": dict.fromkeys(PROCESSES, 7.0)},
}
DOCUMENT = {"runs": [{"details": {"M-1": {}}}, {"details": {"scale": SCALE}}]}


def test_the_tables_of_the_page_are_those_of_the_last_measurement() -> None:
    page = PAGE.read_text()
    assert page == written(page, msgspec.json.decode(JSON.read_bytes())), "rewrite them: python -m bench.scale"


def test_what_a_process_needs_is_the_sum_of_each_rate_times_its_cost_and_what_runs_anyway() -> None:
    rates = sum(kind.a_second for kind in LOAD.values())

    assert predicted(SCALE)["database"] == 5 + rates * 1000
    assert predicted(SCALE, 100)["service"] == 5 + rates / 100 * 100


def test_the_load_is_a_million_phones_every_five_minutes_and_a_thousand_calls() -> None:
    assert (round(LOAD["refresh"].a_second), LOAD["call"].a_second) == (3333, 1000)


def test_a_page_gets_new_tables_between_its_marks_and_keeps_the_rest() -> None:
    page = written(f"before\n{BEGIN}old{END}after\n", DOCUMENT)

    assert page == f"before\n{BEGIN}\n{tables(SCALE)}\n\n{END}after\n"
    assert "2,000 a second by one core" in page


def test_a_document_without_the_simulation_leaves_the_page_as_it_was() -> None:
    document: dict[str, Any] = {"runs": [{"details": {"M-1": {}}}]}

    assert found(document) is None
    assert written(f"{BEGIN}old{END}", document) == f"{BEGIN}old{END}"
