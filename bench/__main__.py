"""`make bench`: measures all there is, or what it is asked; prints a table, writes docs/benchmarks.md and .json."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, Final

import msgspec

from bench import (
    creates,
    growth,
    imports,
    lists,
    lookups,
    registrations,
    requests,
    rest,
    router,
    scale,
    starting,
    steady,
)
from bench.ground import Ground, ground
from ringback import answers
from ringback.router.bench.figures import Found, Run
from ringback.router.bench.report import document, machine, page, row
from tests.house import ROOT

PAGE: Final = ROOT / "docs" / "benchmarks.md"
JSON: Final = PAGE.with_suffix(".json")
ABOUT: Final = """\
What Ringback costs beside what the same work costs without it, as `make bench` has measured it and written it here and,
for programs, to [benchmarks.json](benchmarks.json). Each figure has its floor from the same run; the ratio is how many
times that it is. Who asks, who answers, broker and database share the machine. `load` is how many processes kept it
busy before: with one or more, the figures are those of the others as well.
"""
MEASURED: Final[Mapping[str, ModuleType]] = {
    "M-1": requests,
    "M-2": creates,
    "M-3": rest,
    "M-4": lookups,
    "M-5": lists,
    "M-6": registrations,
    "M-7": imports,
    "M-9": starting,
    "M-10": growth,
    "M-11": steady,
    "scale": scale,
}
"""What is measured, in this order; each module has `measure`. M-8 is the router's own."""
ROUTER: Final = "M-8"


async def measured(numbers: list[str], share: float) -> dict[str, Any]:
    """The document of all these."""
    about = machine()
    async with ground(_tell, share) as made:
        found: list[Found] = []
        for number, module in MEASURED.items():
            if number in numbers:
                _tell(f"{number}: {(module.__doc__ or '').partition(': ')[2].partition(chr(10))[0]}")
                measure: Callable[[Ground], Awaitable[Found]] = module.measure
                found.append(await measure(made))
        whole = document(about, [Run("MariaDB and RabbitMQ", found)] if found else [], datetime.now(UTC))
        if ROUTER in numbers:
            _tell(f"{ROUTER}: {(router.__doc__ or '').partition(': ')[2]}")
            whole["runs"] += await router.runs(made)
    whole["passed"] = all(one["pass"] is not False for run in whole["runs"] for one in run["results"])
    return whole


def main() -> int:
    """The exit code: 1 where a target is missed. Files are written where all was measured, in full."""
    everything = [*MEASURED, ROUTER]
    words = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    words.add_argument("numbers", nargs="*", metavar="M-1", help=f"which of {', '.join(everything)}; all without")
    words.add_argument("--share", type=float, default=1.0, help="of the usual time and amounts, for a try")
    words.add_argument("--json", help="write the figures to this file as well")
    asked = words.parse_args()
    if unknown := set(asked.numbers) - set(everything):
        words.error(f"there is no {', '.join(sorted(unknown))}")
    numbers = asked.numbers or everything
    whole = asyncio.run(measured(numbers, asked.share))
    text = msgspec.json.format(msgspec.json.encode(whole)).decode() + "\n"
    if numbers == everything and asked.share == 1:
        JSON.write_text(text)
        PAGE.write_text(page(whole, ABOUT))
        scale.refresh()
    if asked.json:
        with open(asked.json, "w") as file:
            file.write(text)
    for run in whole["runs"]:
        rows = [row(result) for result in run["results"]]
        answers.show_rows(rows, tuple(rows[0]), run["engine"])
    return 0 if whole["passed"] else 1


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
