"""`ringback audit …`: who changed what, when and from where, on the database itself."""

from functools import partial
from typing import Annotated, Any, Final

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.customers.audit import service, wire
from ringback.kit.pages import LARGEST
from ringback.kit.uow import UnitOfWork
from ringback.settings import RouterSettings, Settings
from ringback.terminal import asked, do, with_settings

app = terminal.new_app("The audit log: who changed what, when and from where.")
LISTED: Final = ("id", "tm", "actor", "action", "kind", "object_id", "changed")

Text = Annotated[str | None, typer.Option(metavar="TEXT")]
Id = Annotated[str | None, typer.Option(metavar="UUID")]
From = Annotated[str | None, typer.Option("--from", help="only since then: 2026-02-11T09:30:00Z", metavar="TIME")]
To = Annotated[str | None, typer.Option("--to", help="only before then", metavar="TIME")]


@app.command("list")
@partial(with_settings, kind=RouterSettings)
def find(
    settings: Settings,
    customer_id: Id = None,
    object_id: Id = None,
    kind: Text = None,
    actor: Text = None,
    action: Text = None,
    from_: From = None,
    to: To = None,
    limit: int = typer.Option(20, "--limit", min=1, help="how many, newest first"),
    format: AsForm = Form.TABLE,
) -> None:
    """List changes, newest first."""
    wanted = {"object_id": object_id, "kind": kind, "actor": actor, "action": action, "from": from_, "to": to}
    first = asked(wire.ListAudit, customer_id=customer_id, page_size=min(limit, LARGEST), **wanted)

    async def look(uow: UnitOfWork) -> list[wire.AuditEntry]:
        page = await service.newest(uow, first)
        found = page.result
        while page.next_page_token and len(found) < limit:
            page = await service.newest(uow, msgspec.structs.replace(first, page_token=page.next_page_token))
            found += page.result
        return found[:limit]

    entries: list[dict[str, Any]] = [msgspec.to_builtins(entry) for entry in do(settings, look, compares=False)]
    if format is Form.TABLE:
        entries = [{**entry, "id": str(entry["id"]), "changed": ", ".join(entry["changes"])} for entry in entries]
    answers.show_list(entries, format, LISTED, "Audit")


@app.command()
@partial(with_settings, kind=RouterSettings)
def show(
    settings: Settings,
    id: Annotated[int, typer.Argument(help="its number, as lists show it", min=1, max=1 << 62, metavar="ID")],
    format: AsForm = Form.TABLE,
) -> None:
    """Show one change: what was before and after."""
    found: dict[str, Any] = msgspec.to_builtins(do(settings, lambda uow: service.one(uow, id), compares=False))
    if format is Form.TABLE:
        sides = {side: found.pop(side) or {} for side in ("before", "after")}
        found["changes"] = ", ".join(found["changes"]) or None
        found |= {f"{side}.{name}": value for side, fields in sides.items() for name, value in fields.items()}
    answers.show_object(found, format, "Change")
