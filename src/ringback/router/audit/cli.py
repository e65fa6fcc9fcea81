"""`router-control audit …`: who changed the registry, and that nothing of it was altered."""

import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.router.audit import service, wire
from ringback.router.extensions.cli import run
from ringback.settings import Settings
from ringback.terminal import with_settings

app = terminal.new_app("The audit log of the registry.")


@app.command("list")
@with_settings
def find(
    settings: Settings,
    id: str = typer.Option("", "--id", help="only of this router extension"),
    limit: int = typer.Option(20, "--limit", min=1, max=1000, help="how many, newest first"),
    format: AsForm = Form.TABLE,
) -> None:
    """List changes, newest first."""
    entries = run(settings, lambda uow: service.latest(uow, id or None, 1 << 62, limit))
    if format is not Form.TABLE:
        answers.show([wire.shown(entry) for entry in entries], format)
        return
    rows = [
        {
            "id": entry.id,
            "timestamp": entry.timestamp,
            "extension": entry.extension_id,
            "action": entry.action,
            "by": entry.changed_by,
            "changed": ", ".join(name for name in entry.changes() if name not in ("revision", "updated_at")),
        }
        for entry in entries
    ]
    answers.show_rows(rows, ("id", "timestamp", "extension", "action", "by", "changed"), "Audit")


@app.command()
@with_settings
def verify(settings: Settings) -> None:
    """Compute the whole chain anew; exit code 1 where an entry is altered or missing."""
    found = run(settings, service.verify)
    if found.ok:
        terminal.say(f"{found.checked} entries, all as they were written")
        return
    terminal.say(f"entry {found.first_bad} is not as it was written, or missing ({found.checked} before it are)")
    raise typer.Exit(1)
