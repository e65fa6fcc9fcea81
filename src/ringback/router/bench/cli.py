"""`router-control bench …`: measures on a database of its own, and says whether what is promised is kept."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from ringback import answers, terminal
from ringback.kit import log
from ringback.router.writing import PUBLISHER

if TYPE_CHECKING:
    from ringback.router.bench.run import Name

app = terminal.new_app("Benchmarks of the registry, on a database of their own that is gone afterwards.")

ALL: "Final[Sequence[Name]]" = ("lookup", "reload", "propagation", "call", "pipeline")
On = Annotated[
    list[str] | None,
    typer.Option(
        "--on",
        envvar="BENCH_ON",
        metavar="DSN",
        help="a server, on which the schema ringback_bench is made and dropped, or sqlite; as often as you like",
        show_default="sqlite",
    ),
]
Json = Annotated[
    typer.FileTextWrite | None,
    typer.Option(
        "--json", lazy=False, metavar="FILE", help="write all of it as JSON; - is standard output, without the table"
    ),
]
Report = Annotated[
    typer.FileTextWrite | None,
    typer.Option("--report", lazy=False, metavar="FILE", help="write it as a page; - as with --json"),
]
Records = Annotated[int, typer.Option("--records", min=100, max=1_000_000, help="records of the registry")]
Seconds = Annotated[float, typer.Option("--seconds", min=1, max=3600, help="how long a load goes on")]
NatsAddress = Annotated[
    str | None,
    typer.Option(
        "--nats_address",
        metavar="ADDRESS",
        help="a NATS to ask over, nats://host:port, on subjects of the benchmark's own; who we are there is told by "
        "NATS_USER and NATS_PASSWORD",
        show_default="that of the environment, else a nats-server of this machine, for as long as it takes",
    ),
]
Changes = Annotated[int, typer.Option("--changes", min=1, max=100_000, help="changes that the nodes follow")]


@app.command()
def lookup(
    on: On = None, json: Json = None, report: Report = None, records: Records = 10_000, seconds: Seconds = 60
) -> None:
    """Measure lookups, one by one (T-1) and ten thousand a second (T-8)."""
    _run(["lookup"], on, json, report, records=records, seconds=seconds)


@app.command()
def reload(
    on: On = None, json: Json = None, report: Report = None, records: Records = 10_000, seconds: Seconds = 10
) -> None:
    """Measure whole loads: what they hide from lookups (T-2), and how long they hold the loop (T-9)."""
    _run(["reload"], on, json, report, records=records, seconds=seconds)


@app.command()
def propagation(
    on: On = None, json: Json = None, report: Report = None, records: Records = 10_000, changes: Changes = 500
) -> None:
    """Measure how soon three nodes serve a change of one of them (T-7)."""
    _run(["propagation"], on, json, report, records=records, changes=changes)


@app.command()
def call(
    on: On = None,
    json: Json = None,
    report: Report = None,
    records: Records = 10_000,
    seconds: Seconds = 10,
    nats_address: NatsAddress = None,
) -> None:
    """Measure what the router adds to a request: statements (T-3), CPU (T-4), waiting (T-6)."""
    _run(["call"], on, json, report, nats_address, records=records, seconds=seconds)


@app.command()
def pipeline(
    on: On = None,
    json: Json = None,
    report: Report = None,
    records: Records = 10_000,
    seconds: Seconds = 10,
    nats_address: NatsAddress = None,
) -> None:
    """Measure pipelines a second, beside the same requests bare (T-5)."""
    _run(["pipeline"], on, json, report, nats_address, records=records, seconds=seconds)


@app.command()
def all(
    on: On = None,
    json: Json = None,
    report: Report = None,
    records: Records = 10_000,
    seconds: Seconds = 60,
    changes: Changes = 500,
    nats_address: NatsAddress = None,
) -> None:
    """Measure all of it; exit code 1 when a target is missed."""
    _run(ALL, on, json, report, nats_address, records=records, seconds=seconds, changes=changes)


def _run(
    names: "Sequence[Name]",
    on: list[str] | None,
    json: typer.FileTextWrite | None,
    report: typer.FileTextWrite | None,
    nats_address: str | None = None,
    *,
    records: int,
    seconds: float = 0,
    changes: int = 0,
) -> None:
    import uvloop  # with all that is measured, which no other command needs

    from ringback.router.bench.broker import MISSING
    from ringback.router.bench.ground import SQLITE
    from ringback.router.bench.report import document, machine, page, row
    from ringback.router.bench.run import Sizes, measured

    log.set_up(PUBLISHER, "error", "console")
    tell = terminal.hint if sys.stderr.isatty() else _nothing
    about = machine()
    try:
        runs = uvloop.run(measured(names, on or [SQLITE], Sizes(records, seconds, changes, nats_address), tell))
    except asyncio.CancelledError:  # by SIGTERM
        raise KeyboardInterrupt from None
    whole = document(about, runs, datetime.now(UTC))
    if json:
        json.write(msgspec.json.format(msgspec.json.encode(whole)).decode() + "\n")
    if report:
        report.write(page(whole))
    if not any(file and file.fileno() == sys.stdout.fileno() for file in (json, report)):
        for run in whole["runs"]:
            rows = [row(result) for result in run["results"]]
            answers.show_rows(rows, tuple(rows[0]), run["engine"])
        terminal.say(", ".join(f"{name} {value}" for name, value in about.items()))
    if unknown := list(dict.fromkeys(one.number for run in runs for one in run.figures if one.value is None)):
        terminal.hint(f"not measured: {', '.join(unknown)}: {MISSING}")
    if not whole["passed"]:
        raise typer.Exit(terminal.FAILED)


def _nothing(line: str) -> None:
    """Nobody is there to be told."""
