"""`ringback plan`, `ringback apply`, `ringback undo`: a customer's extensions and trunks by a file."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, NoReturn, TypeVar
from uuid import UUID

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.documents import STDIN
from ringback.kit import files, marked
from ringback.kit.errors import CannotStart, ValidationFailed
from ringback.kit.marked import Marked, Unreadable
from ringback.kit.reading import not_nil
from ringback.registrar.flags import Customer, customer_of
from ringback.registrar.plans import service, showing, wire
from ringback.registrar.plans.model import Done, Plan
from ringback.registrar.plans.wire import Wanted
from ringback.settings import Settings
from ringback.terminal import do, with_settings

T = TypeVar("T")

File = Annotated[str | None, typer.Argument(help="what the customer shall have, in YAML; - is standard input")]
Prune = Annotated[bool, typer.Option("--prune", help="delete what the file does not name; else it is kept")]
Out = Annotated[Path | None, typer.Option("--out", help="keep the plan in this file, for ringback apply --plan")]
Export = Annotated[bool, typer.Option("--export", help="write the file that says what is there, without passwords")]
Planned = Annotated[Path | None, typer.Option("--plan", help="do what this plan says, or nothing", metavar="PLANFILE")]
Force = Annotated[bool, typer.Option("--force", help="do not ask")]
Anyway = Annotated[bool, typer.Option("--force", help="do not ask, and undo what others have changed since as well")]
Number = Annotated[int | None, typer.Option("--apply", help="the number of the newest apply: undo it, and do not ask")]

LARGEST: Final = 4 * 2**20
"""Bytes of a file."""
SECONDS: Final = 60.0
"""An apply may take longer than one request."""


@dataclass(frozen=True, slots=True)
class Source:
    """The file as it was read."""

    name: str
    marked: Marked
    wanted: Wanted

    def judged(self, verb: Callable[[], T]) -> T:
        """What the verb says, or the faults of the file, each with its line."""
        try:
            return verb()
        except ValidationFailed as failure:
            _faulty(self.name, self.marked, failure)


@with_settings
def plan(
    settings: Settings,
    file: File = None,
    customer_id: Customer = None,
    prune: Prune = False,
    out: Out = None,
    export: Export = False,
    format: AsForm = Form.TABLE,
) -> None:
    """Show what a file would change of a customer's extensions and trunks; nothing is written."""
    if export:
        _export(settings, file, customer_id, format)
        return
    source = _read(file)
    planned = _planned(settings, source, customer_id, prune=prune)
    if out:
        _write(out, msgspec.json.format(msgspec.json.encode(planned)) + b"\n")
    _show_plan(planned, format)


@with_settings
def apply(
    settings: Settings,
    file: File = None,
    customer_id: Customer = None,
    plan: Planned = None,
    prune: Prune = False,
    force: Force = False,
    format: AsForm = Form.TABLE,
) -> None:
    """Do what a plan of the file says, all of it or nothing; without --plan it is made, shown and asked about."""
    source = _read(file)
    if plan and (prune or customer_id):
        raise ValidationFailed(plan="says all of it: --customer_id and --prune go without")
    planned = _kept(plan) if plan else _planned(settings, source, customer_id, prune=prune)
    if planned.changes and not plan:
        if terminal.is_terminal():
            showing.show_plan(planned, on_stderr=True)
        terminal.confirm("Apply it?", force=force)
    done = source.judged(
        lambda: do(settings, lambda uow: service.apply(uow, source.wanted, planned), writes=True, patience=SECONDS)
    )
    _show_done(done, format, "Applied")


@with_settings
def undo(
    settings: Settings,
    customer_id: Customer = None,
    apply: Number = None,
    force: Anyway = False,
    format: AsForm = Form.TABLE,
) -> None:
    """Take a customer's newest apply back; again for the one before it."""
    customer = _customer(settings, customer_id)
    found = do(settings, lambda uow: service.last(uow, customer))
    if apply is None:
        if terminal.is_terminal():
            back = [change.inverse() for change in reversed(found.changes)]
            showing.show_changes(back, f"Undo apply {found.number} of {found.actor}", on_stderr=True)
        terminal.confirm("Undo it?", force=force)
    number = apply or found.number
    done = do(settings, lambda uow: service.undo(uow, customer, number, force=force), writes=True, patience=SECONDS)
    _show_done(done, format, "Undone")
    if stay := showing.passwords_that_stay(found.changes):
        terminal.hint(f"the former password is known no more: {', '.join(stay)}")


def _export(settings: Settings, file: str | None, customer_id: str | None, format: Form) -> None:
    if file:
        raise ValidationFailed(export="needs no file")
    customer = _customer(settings, customer_id)
    state = do(settings, lambda uow: service.look(uow, customer))
    answers.show(wire.written(state), Form.JSON if format is Form.JSON else Form.YAML)


def _write(out: Path, content: bytes) -> None:
    try:
        files.replace(out, content)
    except OSError as error:
        raise CannotStart(f"--out: {out} cannot be written: {error.strerror}") from None


def _read(file: str | None) -> Source:
    """The file, or all its faults with their lines."""
    if file is None:
        raise CannotStart("FILE is required: what the customer shall have")
    try:
        raw = sys.stdin.buffer.read(LARGEST + 1) if file == STDIN else _start_of(Path(file))
    except (OSError, ValueError) as error:
        raise CannotStart(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(raw) > LARGEST:
        raise CannotStart(f"{file} is longer than {LARGEST // 2**20} MiB")
    try:
        found = marked.read(raw)
    except Unreadable as error:
        raise CannotStart(f"{file}:{error.line}: is no YAML: {error}") from None
    folder = Path() if file == STDIN else Path(file).parent
    try:
        return Source(file, found, wire.wanted(found.value, found.faults, folder))
    except ValidationFailed as failure:
        _faulty(file, found, failure)


def _start_of(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(LARGEST + 1)


def _faulty(file: str, found: Marked, failure: ValidationFailed) -> NoReturn:
    for fault in sorted(failure.faults, key=lambda fault: found.line_of(fault.field)):
        line = f"{file}:{found.line_of(fault.field)}: {fault.field} {fault.description}"
        terminal.hint(terminal.CONTROLS.sub("\ufffd", line))
    raise typer.Exit(terminal.USAGE)


def _planned(settings: Settings, source: Source, customer_id: str | None, *, prune: bool) -> Plan:
    wanted = source.wanted
    customer = _customer(settings, customer_id, source)
    prune = prune or wanted.prune
    return source.judged(lambda: do(settings, lambda uow: service.plan(uow, customer, wanted, prune=prune)))


def _customer(settings: Settings, given: str | None, source: Source | None = None) -> UUID:
    """Whose: by flag, by the file, or the customer of the embedded default; the first two must agree."""
    in_file = _named(settings, source) if source and source.wanted.customer else None
    if given is None and in_file:
        return in_file
    customer = customer_of(terminal.customer_id(settings, given))
    if in_file not in (None, customer):
        raise ValidationFailed(customer_id="is not the customer of the file")
    return customer


def _named(settings: Settings, source: Source) -> UUID:
    text = source.wanted.customer or ""
    try:
        if not_nil(customer := UUID(text)):
            return customer
    except ValueError:
        pass
    return source.judged(lambda: do(settings, lambda uow: service.named(uow, text)))


def _kept(file: Path) -> Plan:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Plan)
    except OSError as error:
        raise CannotStart(f"--plan: {file} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise CannotStart(f"--plan: {file} is no plan that ringback plan --out has written") from None


def _show_plan(planned: Plan, format: Form) -> None:
    if format is Form.TABLE:
        showing.show_plan(planned)
    else:
        answers.show(planned, format)


def _show_done(done: Done, format: Form, word: str) -> None:
    passwords = showing.passwords_of(done)
    if format is not Form.TABLE:
        number = done.apply.number if done.apply else None
        answers.show({"apply": number, "changes": done.changes, "passwords": passwords}, format)
        return
    if done.apply is None:
        terminal.say("No changes.")
        return
    many = f"{len(done.changes)} change{'' if len(done.changes) == 1 else 's'}"
    terminal.say(f"{word}: apply {done.apply.number}, {many}")
    for one in passwords:
        terminal.say(f"password of {one['kind']} {one['key']}: {one['password']}   (shown this once)")
