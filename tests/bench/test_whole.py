"""A run of several measurements is worth what those are that came to their end."""

from bench.__main__ import measured
from bench.ground import Ground
from ringback.router.bench.figures import Figure, Found


async def test_a_measurement_that_fails_keeps_no_other_from_its_place() -> None:
    async def broken(ground: Ground) -> Found:
        raise AssertionError("503 of 2,000 answers")

    async def sound(ground: Ground) -> Found:
        return Found([Figure("M-2", "a figure", 2, "", ">=", 1)])

    whole = await measured({"M-1": broken, "M-2": sound}, share=0.001)

    (run,) = whole["runs"]
    assert [(one["number"], one["pass"]) for one in run["results"]] == [("M-1", False), ("M-2", True)]
    assert run["details"]["M-1"] == {"failed": "AssertionError: 503 of 2,000 answers"}
    assert (whole["failed"], whole["passed"]) == (["M-1"], False)
