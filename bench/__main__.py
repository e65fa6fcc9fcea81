"""`make bench`: measures all there is, or what it is asked; prints a table, writes docs/benchmarks.md and .json."""

import argparse
import asyncio
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from bench import page, scale
from bench.ground import ground
from bench.measures import MEASURED, Measure, about
from bench.scale import JSON
from ringback import answers
from ringback.router.bench.figures import Figure, Found, Run
from ringback.router.bench.report import document, machine, row


async def measured(chosen: Mapping[str, Measure], share: float) -> dict[str, Any]:
    """The document of all these; one that fails keeps no other from being measured."""
    where = machine()
    found: list[Found] = []
    runs: list[dict[str, Any]] = []
    failed: list[str] = []
    async with ground(_tell, share) as made:
        for number, measure in chosen.items():
            _tell(f"{number}: {about(measure)}")
            try:
                one = await measure(made)
            except Exception as failure:
                traceback.print_exception(failure)
                failed.append(number)
                one = not_measured(number, failure)
            if isinstance(one, Found):
                found.append(one)
            else:
                runs += one
    whole = document(where, [Run("MariaDB and RabbitMQ", found)] if found else [], datetime.now(UTC))
    whole["runs"] += runs
    whole["failed"] = failed
    whole["passed"] = all(one["pass"] is not False for run in whole["runs"] for one in run["results"])
    return whole


def not_measured(number: str, failure: Exception) -> Found:
    """What stands in the place of what was to be found."""
    said = f"{type(failure).__name__}: {failure}"
    return Found([Figure(number, "was measured to its end", 0, "", "=", 1)], {number: {"failed": said}})


def main() -> int:
    """The exit code: 1 where a target is missed or a measurement fails. A whole run in full writes the pages."""
    words = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    words.add_argument("numbers", nargs="*", metavar="M-1", help=f"which of {', '.join(MEASURED)}; all without")
    words.add_argument("--share", type=float, default=1.0, help="of the usual time and amounts, for a try")
    words.add_argument("--json", help="write the figures to this file as well")
    asked = words.parse_args()
    if unknown := set(asked.numbers) - set(MEASURED):
        words.error(f"there is no {', '.join(sorted(unknown))}")
    chosen = {number: measure for number, measure in MEASURED.items() if number in (asked.numbers or MEASURED)}
    whole = asyncio.run(measured(chosen, asked.share))
    text = msgspec.json.format(msgspec.json.encode(whole)).decode() + "\n"
    if asked.json:
        with open(asked.json, "w") as file:
            file.write(text)
    for run in whole["runs"]:
        rows = [row(result) for result in run["results"]]
        answers.show_rows(rows, tuple(rows[0]), run["engine"])
    if len(chosen) == len(MEASURED) and asked.share == 1:
        JSON.write_text(text)
        page.refresh()
        if not whole["failed"]:
            scale.refresh()
    return 0 if whole["passed"] else 1


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
