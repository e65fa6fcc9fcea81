"""`registrar-control extension diagnose`."""

from typing import Annotated

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.registrar.diagnosis import service, wire
from ringback.registrar.flags import Id, one
from ringback.settings import Settings
from ringback.terminal import do, with_settings

Whole = Annotated[bool, typer.Option("--all", help="in the table also what is in order")]


@with_settings
def diagnose(settings: Settings, id: Id = None, all: Whole = False, format: AsForm = Form.TABLE) -> None:
    """Say why a phone does not work, in one sentence, and what to do; exit code 1 where there is a problem."""
    which = one(id, "Extension id")
    found = wire.shown(do(settings, lambda uow: service.of_extension(uow, which, of=None)))
    if format is not Form.TABLE:
        answers.show(found, format)
    else:
        rows = [msgspec.structs.asdict(check) for check in found.checks if all or check.state != "ok"]
        answers.show_rows(
            rows,
            ("name", "state", "seen", "do"),
            f"{found.endpoint_id}: what was looked at" if all else f"{found.endpoint_id}: what is not in order",
        )
        terminal.say(found.summary)
    if not found.ok:
        raise typer.Exit(terminal.FAILED)
