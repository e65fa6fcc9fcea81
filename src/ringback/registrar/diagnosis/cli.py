"""`registrar-control extension diagnose`."""

from typing import Annotated, Final

import msgspec
import typer

from ringback import answers, first_start, terminal
from ringback.answers import AsForm, Form
from ringback.api.client import Address, Asked, Client
from ringback.kit.errors import CannotStart, Failure
from ringback.kit.secret import Secret
from ringback.registrar.diagnosis import service, wire
from ringback.registrar.diagnosis.model import Diagnosis
from ringback.registrar.flags import Id, one
from ringback.settings import Settings
from ringback.terminal import do, with_settings

PATIENCE: Final = 5.0
"""Seconds for a server that may not be there."""
Whole = Annotated[bool, typer.Option("--all", help="in the table also what is in order")]


@with_settings
def diagnose(settings: Settings, id: Id = None, all: Whole = False, format: AsForm = Form.TABLE) -> None:
    """Say why a phone does not work, in one sentence, and what to do; exit code 1 where there is a problem.

    A Ringback that runs on this home is asked: it hears whom Asterisk refuses.
    """
    which = one(id, "Extension id")
    diagnosis = do(settings, lambda uow: service.of_extension(uow, which, of=None, hears=False))
    found = _of_server(settings, diagnosis) or wire.shown(diagnosis)
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


def _of_server(settings: Settings, diagnosis: Diagnosis) -> wire.ExtensionDiagnosis | None:
    """The same by the server whose keys are kept in this home, if it answers."""
    try:
        if (kept := first_start.read(settings.ringback_home)) is None:
            return None
        client = Client(Address.parse(kept.url, "url"), Secret(kept.operator_key), first_start.FILE)
        place, whose = f"/v1.0/extensions/{diagnosis.id}/diagnosis", {"customer_id": str(diagnosis.customer_id)}
        return msgspec.convert(client.ask(Asked("GET", place, whose, patience=PATIENCE)), wire.ExtensionDiagnosis)
    except (CannotStart, Failure, msgspec.ValidationError):
        return None
