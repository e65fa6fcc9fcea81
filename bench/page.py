"""docs/benchmarks.md: what is measured, what is missed and why, then all figures. `python -m bench.page` writes it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bench import measures
from bench.scale import JSON
from ringback.router.bench import report

PAGE: Final = JSON.with_suffix(".md")
ABOUT: Final = """\
What Ringback costs beside what the same work costs without it, as `make bench` has measured it and written it here and,
for programs, to [benchmarks.json](benchmarks.json). Each figure has its floor from the same run; the ratio is how many
times that it is. Who asks, who answers, broker and database share the machine. `load` is how many processes kept it
busy before: with one or more, the figures are those of the others as well.

{measured}

**Missed.** {missed}
"""
WHY: Final = {
    "M-3": (
        "Litestar alone looks up no key, reads no row and writes no line of a log. Each request here does, anew: a key "
        "that is revoked is refused at once. Without these three it is at 0.6, and without limits at 0.9 "
        "([0078](decisions/0078-what-a-rest-request-is-made-of.md))."
    ),
    "M-7": (
        "The driver inserts rows that are there. A row of ours is read, judged, kept until all are known to be right, "
        "made, audited and told of. Without the last two the aim is met "
        "([0079](decisions/0079-what-a-row-of-an-import-is-made-of.md))."
    ),
}
"""What stands behind an aim that is missed, as far as it is known."""


def text(whole: Mapping[str, Any]) -> str:
    """The page of a run of all measurements."""
    measured = "\n".join(f"- **{number}**: {measures.about(one)}" for number, one in measures.MEASURED.items())
    return report.page(whole, ABOUT.format(measured=measured, missed=_missed(whole)))


def _missed(whole: Mapping[str, Any]) -> str:
    """Each aim that is, with its figure and why."""
    lines = [
        f"- **{one['number']}**, {one['what']}: {_came(one)}. {WHY.get(one['number'], '')}".rstrip()
        for run in whole["runs"]
        for one in run["results"]
        if one["pass"] is False
    ]
    return "\n".join(["These aims:\n", *lines]) if lines else "No aim."


def _came(result: Mapping[str, Any]) -> str:
    row = report.row(result)
    return f"{row['ratio'] or row['figure']}, where it must be {row['must be']}"


def refresh() -> None:
    """Write the page."""
    PAGE.write_text(text(msgspec.json.decode(JSON.read_bytes())))


if __name__ == "__main__":
    refresh()
