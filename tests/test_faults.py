"""The tests of what must not go wrong unseen are themselves put to the test."""

import subprocess
import sys

import pytest

from tests.faults import WATCHED
from tests.house import ROOT

pytestmark = [pytest.mark.long, pytest.mark.contract("router F-28")]


@pytest.mark.parametrize("name", WATCHED)
def test_no_fault_is_unseen(name: str) -> None:
    told = subprocess.run([sys.executable, "-m", "tests.faults", name], cwd=ROOT, capture_output=True, text=True)

    assert (told.returncode, told.stdout) == (0, ""), told.stderr


def test_a_fault_that_no_test_looks_for_is_told() -> None:
    blind = "from tests.faults import *; print(unseen(Watched('ringback.kit.merging', 'tests/kit/test_secret.py')))"
    told = subprocess.run([sys.executable, "-c", blind], cwd=ROOT, capture_output=True, text=True)

    assert "value is None → value is not None" in told.stdout, told.stderr
