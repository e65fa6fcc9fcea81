"""What a load needs, worked out from what each operation costs: the tables of docs/scale.md. Pure."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

PROCESSES: Final = ("service", "broker", "database", "edge", "asterisk")
BUSY: Final = 0.6
"""Of a core, when a process shall answer in time."""
PART: Final = 100
"""The simulation offers one in so many of it."""


class Operation(NamedTuple):
    """One kind of work: in words, how often at full size, and how often when it is measured alone."""

    words: str
    a_second: float
    alone: float


LOAD: Final[Mapping[str, Operation]] = {
    "refresh": Operation("a phone registers again, at the edge", 1_000_000 / 300, 50),
    "change": Operation("a phone comes or goes, at the edge", 1_000_000 / 300 / 100, 20),
    "call": Operation("a stranger calls a direct address, it rings, answered, ended", 1000, 10),
    "lookup": Operation("RPC 19: whose is this direct address, 99 % nobody's", 1000, 100),
    "get": Operation("RPC: one extension", 1000, 100),
    "create": Operation("RPC: an extension is made, with a direct address", 10, 20),
}
BESIDE: Final[Mapping[str, Operation]] = {
    "refresh_at_asterisk": Operation("a phone registers again, at Asterisk itself", 1_000_000 / 300, 40),
}
"""What is measured for comparison, and is no part of the load."""


def found(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the simulation has found, of a document of `make bench`; `None` where it was not part of that."""
    return next((run["details"]["scale"] for run in document["runs"] if "scale" in run["details"]), None)


def predicted(scale: Mapping[str, Any], part: float = 1.0) -> dict[str, float]:
    """Microseconds of CPU a second of each process under one in `part` of the load; what runs anyway counts whole."""
    alone = scale["alone"]
    return {
        name: scale["idle_us_a_second"][name]
        + sum(kind.a_second / part * alone[which]["cpu_us_each"][name] for which, kind in LOAD.items())
        for name in PROCESSES
    }


def tables(scale: Mapping[str, Any]) -> str:
    """The tables, as Markdown."""
    return "\n\n".join(
        [
            *("**CPU of each operation, µs**", _costs(scale)),
            *("**Cores at full size**", _cores(scale)),
            *("**What the database does**", _statements(scale)),
            one_at_a_time(scale),
            *("**Predicted and measured**", _checked(scale)),
        ]
    )


def _costs(scale: Mapping[str, Any]) -> str:
    rows = [
        [kind.words, _a_second(name), *(f"{scale['alone'][name]['cpu_us_each'][one]:,.0f}" for one in PROCESSES)]
        for name, kind in {**LOAD, **BESIDE}.items()
    ]
    return _table(["operation", "a second", *PROCESSES], rows)


def _cores(scale: Mapping[str, Any]) -> str:
    rows = [
        [kind.words, *(f"{kind.a_second * scale['alone'][name]['cpu_us_each'][one] / 1e6:.2f}" for one in PROCESSES)]
        for name, kind in LOAD.items()
    ]
    whole = predicted(scale)
    sums = ["**all of it**", *(f"**{whole[one] / 1e6:.1f}**" for one in PROCESSES)]
    needed = [f"**cores, each {BUSY:.0%} busy**", *(f"**{math.ceil(whole[one] / 1e6 / BUSY)}**" for one in PROCESSES)]
    return _table(["cores", *PROCESSES], [*rows, sums, needed])


def _statements(scale: Mapping[str, Any]) -> str:
    counts = ("statements", "rows_read", "rows_written")
    rows = [
        [
            kind.words,
            *(f"{scale['alone'][name][f'{one}_each']:.1f}" for one in counts),
            f"{scale['alone'][name]['statements_each'] * kind.a_second:,.0f}",
        ]
        for name, kind in {**LOAD, **BESIDE}.items()
    ]
    return _table(["operation", "statements", "rows read", "rows written", "statements a second"], rows)


def _checked(scale: Mapping[str, Any]) -> str:
    guess, mix = predicted(scale, PART), scale["mix"]["us_a_second"]
    rows = [
        [name, f"{guess[name] / 1000:,.1f}", f"{mix[name] / 1000:,.1f}", f"{mix[name] / guess[name] - 1:+.0%}"]
        for name in PROCESSES
        if guess[name]
    ]
    whole = [sum(guess.values()), sum(mix.values())]
    rows.append(["**all**", *(f"**{one / 1000:,.1f}**" for one in whole), f"**{whole[1] / whole[0] - 1:+.0%}**"])
    return _table([f"ms of CPU a second at 1/{PART}", "predicted", "measured", "off"], rows)


def one_at_a_time(scale: Mapping[str, Any]) -> str:
    """Calls a second that one process records where nothing else holds it up, in words."""
    each = scale["taken"]["service"]
    return (
        f"The record of a call, where many wait: {each:,.0f} µs of the service, {1e6 / each:,.0f} a second by one core."
    )


def _a_second(name: str) -> str:
    return f"{LOAD[name].a_second:,.0f}" if name in LOAD else "—"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
