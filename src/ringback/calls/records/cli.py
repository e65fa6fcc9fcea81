"""`ringback call …`: calls of a customer, on the database itself."""

from typing import Annotated, Any

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.calls.records import service, wire
from ringback.kit.pages import LARGEST
from ringback.kit.reading import Identity
from ringback.registrar.work import Uow
from ringback.settings import Settings
from ringback.terminal import asked, do, with_settings

app = terminal.new_app("Calls: who called whom, when, for how long, and how it ended.")
LISTED = ("tm_start", "from", "to", "direction", "state", "duration", "hangup_reason")

Id = Annotated[str | None, typer.Option(metavar="UUID")]


class OfCustomer(wire.ListCalls, frozen=True, kw_only=True):
    """Whose calls, and which."""

    customer_id: Identity


@app.command("list")
@with_settings
def find(
    settings: Settings,
    customer_id: Id = None,
    extension_id: Id = None,
    trunk_id: Id = None,
    state: Annotated[str | None, typer.Option(metavar="|".join(wire.STATES))] = None,
    direction: Annotated[str | None, typer.Option(metavar="|".join(wire.DIRECTIONS))] = None,
    since: Annotated[str | None, typer.Option(help="2026-02-11T09:30:00Z", metavar="TIME")] = None,
    limit: int = typer.Option(20, "--limit", min=1, max=LARGEST, help="how many, newest first"),
    format: AsForm = Form.TABLE,
) -> None:
    """List calls of a customer, newest first."""
    wanted = {
        "extension_id": extension_id,
        "trunk_id": trunk_id,
        "state": state,
        "direction": direction,
        "since": since,
    }
    query = asked(OfCustomer, customer_id=terminal.customer_id(settings, customer_id), page_size=limit, **wanted)

    async def look(uow: Uow) -> list[wire.CallManagerCall]:
        return [wire.shown(call) for call in (await service.page(uow, query.customer_id, query)).items]

    found = do(settings, look, compares=False)
    calls: list[dict[str, Any]] = [msgspec.to_builtins(call) for call in found]
    answers.show_list(calls, format, LISTED, "Calls")
