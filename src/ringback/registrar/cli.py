"""`registrar-control reconcile` and `registrar-control secrets migrate`."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.app import Ringback
from ringback.databases import lock_of
from ringback.kit.lock import only_one
from ringback.registrar import secrets, unfinished
from ringback.registrar.drift import service as drift
from ringback.registrar.drift import wire
from ringback.registrar.drift.model import Drift, Pass, State
from ringback.registrar.flags import Force
from ringback.registrar.meta import require_same
from ringback.registrar.realms import service as realms
from ringback.settings import Settings
from ringback.sip.differences import Difference
from ringback.terminal import with_settings

secret = terminal.new_app("How passwords are kept.")

DryRun = Annotated[bool, typer.Option("--dry_run", help="only tell what would be done")]
STATES: Final[Mapping[State, str]] = {
    "due": "would be done",
    "done": "done",
    "waiting": "waits",
    "failed": "failed",
    "left": "left",
}
NoGrace = Annotated[bool, typer.Option("--force", help="remove rows of nobody at once, not after 60 s")]


@with_settings
def reconcile(settings: Settings, dry_run: DryRun = False, force: NoGrace = False, format: AsForm = Form.TABLE) -> None:
    """Make every SIP row follow the extensions and trunks, and finish the deletion of deleted customers."""

    tell = terminal.status()

    async def job(ringback: Ringback) -> tuple[Pass, int]:
        await ringback.work.read(require_same)
        if not dry_run:
            await unfinished.resume(ringback.work)
        done = await ringback.reconciler.once(dry_run=dry_run, no_grace=force, tell=tell)
        tell("")
        if not dry_run:
            await drift.note(ringback.work, done)
        return done, len(await ringback.work.read(realms.left_over))

    done, left = terminal.work(settings, job)
    _show(done, format, dry_run=dry_run)
    if left:
        terminal.hint(f"deleted customers of whom something is left: {left}")
    if not done.is_whole or (left and not dry_run):
        raise typer.Exit(terminal.FAILED)


def _show(done: Pass, format: Form, *, dry_run: bool) -> None:
    rows = [_shown(*row) for row in done.rows("due" if dry_run else "done")]
    if format is not Form.TABLE:
        answers.show(rows, format)
    else:
        told = [{**row, "columns": "; ".join(str(Difference(**one)) for one in row["columns"])} for row in rows]
        answers.show_rows(told, ("table", "id", "action", "columns", "state"), "SIP rows that differ")
    if done.waiting:
        terminal.hint("rows of nobody are removed 60 s after they were first seen, or now with --force")
    for table in done.unread:
        terminal.hint(f"{table} cannot be compared: see the log")


@secret.command()
@with_settings
def migrate(settings: Settings, dry_run: DryRun = False, force: Force = False) -> None:
    """Turn every clear password into digests, for ever. Stopped half-way, it can be run again."""
    with _nobody_beside_us(settings):
        found = terminal.work(settings, lambda ringback: ringback.work.read(secrets.plain))
        what = f"{found.extensions} extensions and {found.trunks} trunks with a clear password"
        if dry_run:
            terminal.say(f"{what} would be turned into digests")
            return
        terminal.hint(what)
        terminal.confirm("Turn them into digests, for ever?", force=force)
        done = terminal.work(settings, lambda ringback: secrets.migrate(ringback.work, terminal.progress("turned")))
    terminal.say(f"{done} passwords turned into digests; start with secret_storage=digest from now on")


@contextlib.contextmanager
def _nobody_beside_us(settings: Settings) -> Iterator[None]:
    """A server in plaintext mode goes on keeping clear passwords. That of a file has a lock, of others nobody knows."""
    if settings.is_embedded:
        with only_one(lock_of(settings.database_file), "Ringback is running on this database"):
            yield
        return
    terminal.hint("stop every Ringback on these databases first: one that runs goes on keeping clear passwords")
    yield


def _shown(drift: Drift, state: State) -> dict[str, Any]:
    """The row as REST shows it, with the command's word for its state."""
    row: dict[str, Any] = msgspec.to_builtins(wire.shown(drift, state))
    return {**row, "state": STATES[state]}
