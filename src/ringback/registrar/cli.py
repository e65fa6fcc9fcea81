"""`registrar-control reconcile` and `registrar-control secrets migrate`."""

import contextlib
from collections.abc import Iterator
from typing import Annotated

import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.app import Ringback
from ringback.databases import lock_of
from ringback.kit.lock import only_one
from ringback.registrar import secrets, unfinished
from ringback.registrar.flags import Force
from ringback.registrar.meta import require_same
from ringback.registrar.realms import service as realms
from ringback.registrar.reconcile import Drift, Pass
from ringback.settings import Settings
from ringback.terminal import with_settings

secret = terminal.new_app("How passwords are kept.")

DryRun = Annotated[bool, typer.Option("--dry_run", help="only tell what would be done")]
NoGrace = Annotated[bool, typer.Option("--force", help="remove rows of nobody at once, not after 60 s")]


@with_settings
def reconcile(settings: Settings, dry_run: DryRun = False, force: NoGrace = False, format: AsForm = Form.TABLE) -> None:
    """Make every SIP row follow the extensions and trunks, and finish the deletion of deleted customers."""

    async def job(ringback: Ringback) -> tuple[Pass, int]:
        await ringback.work.read(require_same)
        if not dry_run:
            await unfinished.resume(ringback.work)
        done = await ringback.reconciler.once(dry_run=dry_run, no_grace=force)
        return done, len(await ringback.work.read(realms.left_over))

    done, left = terminal.work(settings, job)
    _show(done, format, dry_run=dry_run)
    if left:
        terminal.hint(f"deleted customers of whom something is left: {left}")
    if not done.is_whole or (left and not dry_run):
        raise typer.Exit(terminal.FAILED)


def _show(done: Pass, format: Form, *, dry_run: bool) -> None:
    states = {"would be done" if dry_run else "done": done.due, "waits": done.waiting, "failed": done.failed}
    rows = [_shown(drift, state) for state, drifts in states.items() for drift in drifts]
    if format is not Form.TABLE:
        answers.show(rows, format)
    else:
        answers.show_rows(rows, ("table", "id", "action", "state"), "SIP rows that differ")
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


def _shown(drift: Drift, state: str) -> dict[str, object]:
    return {"table": drift.table, "id": drift.name, "action": drift.action, "state": state}
