"""docs/benchmarks.md says what is measured, what is missed and why, and is that of the last whole measurement."""

from typing import Any

import msgspec

from bench.measures import MEASURED
from bench.page import PAGE, WHY, text
from bench.scale import JSON
from tests.house import ROOT


def result(number: str, passes: bool | None, **more: Any) -> dict[str, Any]:
    usual = {"what": "rows a second", "figure": 300.0, "unit": "", "target": ">= 0.4 x floor", "pass": passes}
    return {"number": number, **usual, "floor": 1000.0, "floor_is": "driver", "ratio": 0.3, **more}


def page(*results: dict[str, Any]) -> str:
    run = {"engine": "MariaDB", "results": results, "details": {}, "blocks": []}
    return text({"at": "2026-01-02T03:04:05Z", "machine": {"cores": 2}, "runs": [run]})


def test_the_page_is_that_of_the_last_measurement() -> None:
    assert PAGE.read_text() == text(msgspec.json.decode(JSON.read_bytes())), "rewrite it: python -m bench.page"


def test_what_is_missed_stands_before_all_figures_with_its_reason_where_one_is_known() -> None:
    made = page(result("M-2", True), result("M-7", False), result("M-9", False, ratio=None), result("T-7", None))

    missed = made.partition("**Missed.**")[2].partition("| | |")[0].split("\n- ")[1:]
    assert [one.partition(" The ")[0].rstrip() for one in missed] == [
        "**M-7**, rows a second: 0.3, where it must be >= 0.4 x floor.",
        "**M-9**, rows a second: 300, where it must be >= 0.4 x floor.",
    ]
    assert WHY["M-7"] in made


def test_a_page_of_which_all_passes_says_so() -> None:
    assert "**Missed.** No aim.\n" in page(result("M-2", True))


def test_every_measurement_is_told_in_a_sentence_before_the_figures() -> None:
    told = page(result("M-2", True)).partition("**Missed.**")[0]
    for number in MEASURED:
        assert f"\n- **{number}**: " in told
    assert "the same rows written by the bare driver" in told


def test_reasons_are_of_what_is_measured_and_lead_to_decisions_that_are_there() -> None:
    assert WHY.keys() <= MEASURED.keys()
    for why in WHY.values():
        for part in why.split("](")[1:]:
            assert (ROOT / "docs" / part.partition(")")[0]).is_file(), part
