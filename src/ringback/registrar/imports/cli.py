"""`registrar-control extension import|export`, and of trunks alike."""

import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.app import Ringback
from ringback.documents import STDIN
from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.rows import ENCODINGS, encoding_of
from ringback.registrar.flags import Customer, customer_of
from ringback.registrar.imports import service, wire
from ringback.registrar.imports.columns import QUERIES
from ringback.registrar.imports.exports import export
from ringback.registrar.imports.judge import ImportQuery
from ringback.registrar.imports.model import ImportRefused
from ringback.registrar.meta import require_recorded, require_same
from ringback.settings import Settings
from ringback.terminal import asked, with_settings

PIECE: Final = 1 << 16
"""Bytes that are read at once."""
MEDIA: Final = {
    ".csv": "text/csv",
    ".txt": "text/csv",
    ".tsv": "text/csv",
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
}


class As(StrEnum):
    """What a file is written as."""

    CSV = "csv"
    JSON = "json"


File = Annotated[str, typer.Argument(help="a .csv, .json or .ndjson; - is a CSV on stdin", metavar="FILE")]
DryRun = Annotated[bool, typer.Option("--dry_run", help="only tell what would be done, and every fault")]
AsMode = Annotated[str, typer.Option("--mode", help="all_or_nothing, or row_by_row: each row that is right")]
OnConflict = Annotated[str, typer.Option("--on_conflict", help="with what is there and differs: fail, skip or update")]
Passwords = Annotated[str, typer.Option("--passwords", help="generate those that are missing, or given: refuse that")]
Columns = Annotated[
    str | None,
    typer.Option("--columns", help="another program's CSV: Number:extension,First+Last:name, or freepbx, 3cx, wazo"),
]
Encoding = Annotated[str, typer.Option("--encoding", help="what a CSV is written in, e.g. windows-1252")]
AsFile = Annotated[As, typer.Option("--format", "--output", help="csv or json")]


def commands(app: typer.Typer, kind: str) -> None:
    """Give an app the two commands for what it is about."""

    @app.command("import", help=f"Make {kind}s of the rows of a file: all of them or none, or each that is right.")
    @with_settings
    def take(
        settings: Settings,
        file: File,
        customer_id: Customer = None,
        dry_run: DryRun = False,
        mode: AsMode = "all_or_nothing",
        on_conflict: OnConflict = "fail",
        passwords: Passwords = "generate",
        columns: Columns = None,
        encoding: Encoding = "utf-8",
        format: AsForm = Form.TABLE,
    ) -> None:
        flags = {"dry_run": dry_run, "mode": mode, "on_conflict": on_conflict, "passwords": passwords}
        query = asked(QUERIES[kind], **flags, columns=columns)
        _import(settings, kind, _Upload(file, encoding), customer_id, query, format)

    @app.command("export", help=f"Print all {kind}s as one file that can be imported again, without passwords.")
    @with_settings
    def give(settings: Settings, customer_id: Customer = None, format: AsFile = As.CSV) -> None:
        customer = customer_of(terminal.customer_id(settings, customer_id))

        async def job(ringback: Ringback) -> None:
            await ringback.work.read(require_same)
            async for part in export(ringback.work, customer, kind, "csv" if format is As.CSV else "json"):
                sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()

        terminal.work(settings, job, writes=False)


def _import(
    settings: Settings, kind: str, upload: "_Upload", customer_id: str | None, query: ImportQuery, form: Form
) -> None:
    customer = customer_of(terminal.customer_id(settings, customer_id))
    show = terminal.status()

    async def job(ringback: Ringback) -> service.Outcome:
        await (ringback.work.read(require_same) if query.dry_run else ringback.work.write(require_recorded))
        rows = wire.rows_of(kind, upload.media, upload.pieces(), query.columns, upload.encoding)
        try:
            return await service.take(ringback.work, customer, kind, rows, query, lambda now: show(_told(now, upload)))
        finally:
            show("")

    try:
        result = wire.result(terminal.work(settings, job, writes=not query.dry_run))
    except ImportRefused as refused:
        _show_faults([wire.ImportFault(one.line, one.field, one.description) for one in refused.lines], form)
        terminal.hint("nothing was imported")
        raise typer.Exit(terminal.USAGE) from None
    if form is not Form.TABLE:
        answers.show(result, form)
    else:
        _show(result)
    if result.failed:
        raise typer.Exit(terminal.USAGE)


def _told(so_far: service.Outcome, upload: "_Upload") -> str:
    """How far an import is, for who looks on."""
    counts = so_far.counts
    faulty = f"{counts['fail']} faulty"
    if so_far.followed:
        return f"{so_far.followed} of {counts['create'] + counts['update'] + counts['fail']} rows done, {faulty}"
    return f"{so_far.looked_at} rows{upload.share}, {faulty}"


def _show(result: wire.ImportResult) -> None:
    if result.faults:
        _show_faults(result.faults, Form.TABLE)
    if result.passwords:
        rows = [{"line": one.line, "name": one.name, "password": one.password} for one in result.passwords]
        answers.show_rows(rows, ("line", "name", "password"), "Passwords that were made, shown this once")
    counts = {name: getattr(result, name) for name in ("created", "updated", "unchanged", "skipped", "failed")}
    would = "would be: " if result.dry_run else ""
    terminal.say(would + ", ".join(f"{count} {name}" for name, count in counts.items()))


def _show_faults(faults: list[wire.ImportFault], form: Form) -> None:
    if form is not Form.TABLE:
        answers.show({"faults": faults}, form)
        return
    rows: list[dict[str, Any]] = [
        {"line": one.line, "field": one.field, "description": one.description} for one in faults
    ]
    answers.show_rows(rows, ("line", "field", "description"), "Faults")


def _media(file: str) -> str:
    media = "text/csv" if file == STDIN else MEDIA.get(Path(file).suffix.lower())
    if media is None:
        raise ValidationFailed(Fault("", f"FILE must be one of {', '.join(MEDIA)}, or -"))
    if file != STDIN and not Path(file).is_file():
        raise ValidationFailed(Fault("", f"FILE {file} is no file"))
    return media


def _encoding(named: str, media: str) -> str:
    encoding = encoding_of(named)
    if encoding not in (among := ENCODINGS if media == "text/csv" else ENCODINGS[:1]):
        raise ValidationFailed(encoding=f"must be one of {', '.join(among)}")
    return str(encoding)


class _Upload:
    """A file as it is read."""

    def __init__(self, file: str, encoding: str) -> None:
        self._file = file
        self.media = _media(file)
        self.encoding = _encoding(encoding, self.media)
        self._size = 0 if file == STDIN else Path(file).stat().st_size
        self._read = 0

    @property
    def share(self) -> str:
        """How much of it has been read, if its size is known."""
        return f" ({self._read / self._size:.0%} of the file)" if self._size else ""

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            with nullcontext(sys.stdin.buffer) if self._file == STDIN else Path(self._file).open("rb") as opened:  # noqa: ASYNC230
                while piece := opened.read(PIECE):
                    self._read += len(piece)
                    yield piece
        except OSError as error:
            raise ValidationFailed(Fault("", f"FILE {self._file} cannot be read: {error.strerror}")) from None
