"""The floor of an import inserts what the import has left."""

from dataclasses import replace

import pytest

from bench import imports
from bench.ground import Ground

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="session")]


async def test_both_sides_leave_the_same_rows(servers: Ground) -> None:
    made = replace(servers, share=0.005)
    size = made.amount(imports.COUNT)
    details = (await imports.measure(made)).details["M-7"]

    assert (details[f"ringback_{size}"]["rows"], details[f"driver_{size}"]["rows"]) == (size, size)
    assert details[f"driver_{size}"]["inserted"] == size * len((*imports.OWN, *imports.THEIRS))
