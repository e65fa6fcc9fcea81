"""`router-control audit …`: who changed the registry, and that nothing of it was altered."""

from typing import Any, Final

import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.api.client import Asked
from ringback.router.control import ROOT, Way, every, one, with_way
from ringback.router.extensions.cli import path_of

app = terminal.new_app("The audit log of the registry.")
LISTED: Final = ("id", "timestamp", "extension_id", "action", "changed_by", "changed")


@app.command("list")
@with_way
def find(
    way: Way,
    id: str = typer.Option("", "--id", help="only of this router extension"),
    limit: int = typer.Option(20, "--limit", min=1, help="how many, newest first"),
    format: AsForm = Form.TABLE,
) -> None:
    """List changes, newest first."""
    entries = every(way, path_of(id, "/audit") if id else f"{ROOT}/audit", {}, limit)
    if format is Form.TABLE:
        entries = [{**entry, "changed": _changed(entry)} for entry in entries]
    answers.show_list(entries, format, LISTED, "Audit")


@app.command()
@with_way
def verify(way: Way, format: AsForm = Form.TABLE) -> None:
    """Compute the whole chain anew; exit code 1 where an entry is altered or missing."""
    found = one(way, Asked("POST", f"{ROOT}/audit:verify"))
    if format is not Form.TABLE:
        answers.show(found, format)
    elif found.get("ok"):
        terminal.say(f"{found.get('checked')} entries, all as they were written")
    else:
        before = f"({found.get('checked')} before it are)"
        terminal.say(f"entry {found.get('first_bad')} is not as it was written, or missing {before}")
    if not found.get("ok"):
        raise typer.Exit(terminal.FAILED)


def _changed(entry: dict[str, Any]) -> str:
    """The names of the fields that are other ones now, of what was there before."""
    if not entry.get("old_values"):
        return ""
    return ", ".join(name for name in entry.get("changes") or () if name not in ("revision", "updated_at"))
