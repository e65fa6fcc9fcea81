"""The tests that the page of facts names are there."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_every_test_that_the_facts_name_is_there() -> None:
    text = (TESTS.parent / "docs/contracts/sip.md").read_text()
    there = set(re.findall(r"def (test_\w+)", "".join(file.read_text() for file in TESTS.glob("live/test_*.py"))))
    named = set(re.findall(r"`(test_\w+)`", text))

    assert len(named) > 20
    assert named - there == set()
