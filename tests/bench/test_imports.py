"""The floor of an import inserts what the import has left."""

import pytest

from bench import imports
from bench.ground import ground

pytestmark = pytest.mark.process


async def test_both_sides_leave_the_same_rows() -> None:
    async with ground(lambda line: None, share=0.005) as made:
        size = made.amount(imports.COUNT)
        details = (await imports.measure(made)).details["M-7"]

    assert (details[f"ringback_{size}"]["rows"], details[f"driver_{size}"]["rows"]) == (size, size)
    assert details[f"driver_{size}"]["inserted"] == size * len((*imports.OWN, *imports.THEIRS))
