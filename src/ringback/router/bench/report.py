"""What `router-control bench` says: a table for people, JSON for programs, a page for the documentation."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ringback import __version__
from ringback.router.bench.figures import Run

PAGE: Final = """\
# Benchmarks

{about}

{machine}

{runs}
"""
ABOUT: Final = """\
What the registry of router extensions and its pipelines promise in figures, as `router-control bench all --report FILE`
has measured it and written it here; `make bench` does so on every engine, on servers that wait for the disk. The floor
is what the same costs without Ringback, in the same run, and the ratio how many times that the figure is. `load` is how
many processes kept the machine busy before: with one or more, figures in milliseconds and figures a second are those of
the others as well.
"""

RAW: Final = "rounds"
"""Details that JSON alone has."""
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


def row(result: Mapping[str, Any]) -> dict[str, str]:
    """A figure, as it stands in the document, as a line of a table."""
    value, floor, unit = result["figure"], result["floor"], result["unit"]
    return {
        "target": result["number"],
        "what": result["what"],
        "must be": result["target"] or UNKNOWN,
        "figure": UNKNOWN if value is None else f"{shown(value)} {unit}".rstrip(),
        "floor": "" if floor is None else f"{f'{shown(floor)} {unit}'.rstrip()} ({result['floor_is']})",
        "ratio": "" if result["ratio"] is None else shown(result["ratio"]),
        "": WORDS[result["pass"]],
    }


def shown(value: object) -> str:
    """A number with as many digits as say something, anything else as it is."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if type(value) is int else str(value)


def page(document: Mapping[str, Any], about: str = ABOUT) -> str:
    """The document as Markdown, after what is said `about` it."""
    known = {"measured": document["at"], **document["machine"]}
    machine = ["| | |", "|---|---|", *(_line([name, shown(value)]) for name, value in known.items())]
    runs = "\n\n".join(map(_section, document["runs"]))
    return PAGE.format(about=about.rstrip(), machine="\n".join(machine), runs=runs)


def _section(run: Mapping[str, Any]) -> str:
    rows = [row(result) for result in run["results"]]
    table = [_line(rows[0]), _line(["---"] * len(rows[0])), *(_line(one.values()) for one in rows)]
    details = [_listed(number, details) for number, details in run["details"].items()]
    return "\n\n".join([f"## On {run['engine']}", "\n".join(table), *details, *run["blocks"]])


def _listed(number: str, details: Mapping[str, Any]) -> str:
    lines = (f"- {name}: {_told(value)}" for name, value in details.items() if name != RAW)
    return "\n".join([f"**{number}**", "", *lines])


def _told(value: object) -> str:
    if isinstance(value, dict):
        parts = {name: _told(one) for name, one in value.items() if name != RAW}
        return ", ".join(
            f"{name} ({text})" if isinstance(value[name], dict) else f"{name} {text}" for name, text in parts.items()
        )
    return ", ".join(map(_told, value)) if isinstance(value, list) else shown(value)


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
