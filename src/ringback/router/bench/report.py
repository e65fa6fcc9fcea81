"""What `router-control bench` says: a table for people, JSON for programs, a page for the documentation."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ringback import __version__
from ringback.router.bench.figures import Figure, Run

PAGE = """\
# Benchmarks

What the registry of router extensions and its pipelines promise in figures, as `router-control bench all --report FILE`
has measured it and written it here; `make bench` does so on every engine, on servers that wait for the disk. The floor
is what the same costs without Ringback, in the same run, and the ratio how many times that the figure is. `load` is how
many processes kept the machine busy before: with one or more, figures in milliseconds and figures a second are those of
the others as well.

{machine}

{runs}
"""

UNKNOWN: Final = "—"
WORDS: Final = {True: "PASS", False: "FAIL", None: UNKNOWN}


def machine() -> dict[str, Any]:
    """What it is measured on, and how busy that is."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "ringback": __version__,
    }


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    found = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return found[0] if found else platform.machine()


def document(machine: dict[str, Any], runs: Sequence[Run], at: datetime) -> dict[str, Any]:
    """All of it as one JSON object; `passed` where no target is missed, of those that were measured."""
    return {
        "at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": machine,
        "passed": {figure.passes for run in runs for figure in run.figures} - {None} == {True},
        "runs": [run.document() for run in runs],
    }


def row(figure: Figure) -> dict[str, str]:
    """A figure as a line of a table."""
    return {
        "target": figure.number,
        "what": figure.what,
        "must be": figure.target,
        "figure": UNKNOWN if figure.value is None else f"{shown(figure.value)} {figure.unit}".rstrip(),
        "floor": "" if figure.floor is None else f"{shown(figure.floor)} {figure.unit} ({figure.floor_is})",
        "ratio": "" if figure.ratio is None else shown(figure.ratio),
        "": WORDS[figure.passes],
    }


def shown(value: object) -> str:
    """A number with as many digits as say something, anything else as it is."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if type(value) is int else str(value)


def page(document: dict[str, Any], runs: Sequence[Run]) -> str:
    """The same as Markdown."""
    about = {"measured": document["at"], **document["machine"]}
    machine = ["| | |", "|---|---|", *(_line([name, shown(value)]) for name, value in about.items())]
    return PAGE.format(machine="\n".join(machine), runs="\n\n".join(map(_section, runs)))


def _section(run: Run) -> str:
    rows = [row(figure) for figure in run.figures]
    table = [_line(rows[0]), _line(["---"] * len(rows[0])), *(_line(one.values()) for one in rows)]
    details = [_listed(number, details) for one in run.found for number, details in one.details.items()]
    return "\n\n".join([f"## On {run.engine}", "\n".join(table), *details])


def _listed(number: str, details: Mapping[str, Any]) -> str:
    return "\n".join([f"**{number}**", "", *(f"- {name}: {_told(value)}" for name, value in details.items())])


def _told(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_told(one)}" for name, one in value.items())
    return ", ".join(map(_told, value)) if isinstance(value, list) else shown(value)


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
