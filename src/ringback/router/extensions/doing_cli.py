"""`router-control extensions health` and `breaker`: how router extensions do, and whether they are called at all."""

from typing import Annotated, Final

import typer

from ringback import answers
from ringback.answers import AsForm, Form
from ringback.api.client import Asked
from ringback.router.control import ROOT, Way, one, results, with_way
from ringback.router.extensions.cli import Comment, change, fields, path_of
from ringback.router.extensions.model import ExtensionNotFound
from ringback.router.flags import Revision, Wait

HEALTH: Final = ("extension_id", "status", "health_score", "success_count", "failure_count", "circuit_breaker_state")
BREAKER: Final = ("extension_id", "state", "reason", "opened_at", "failure_count", "breaker_override")


@with_way
def health(
    way: Way,
    id: Annotated[str | None, typer.Argument(help="of this one alone", metavar="ID", show_default=False)] = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Show how a router extension does, or how all do."""
    if id is None:
        answers.show_list(results(one(way, Asked("GET", f"{ROOT}/health"))), format, HEALTH, "Health")
        return
    found = one(way, Asked("GET", path_of(id, "/health")))
    if format is Form.TABLE:
        found |= {f"window.{name}": value for name, value in dict(found.pop("window", {})).items()}
    answers.show_object(found, format, "Health")


@with_way
def breaker(
    way: Way,
    id: Annotated[str | None, typer.Argument(help="of this one alone", metavar="ID", show_default=False)] = None,
    force: Annotated[str | None, typer.Option("--force", help="open, closed, or none: it goes by itself")] = None,
    comment: Comment = None,
    if_revision: Revision = None,
    wait: Wait = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Show the breakers, or hold one open or closed on all nodes."""
    if force is None:
        found = [
            one for one in results(one(way, Asked("GET", f"{ROOT}/breakers"))) if id in (None, one["extension_id"])
        ]
        if id is not None and not found:
            raise ExtensionNotFound
        answers.show_list(found, format, BREAKER, "Breakers")
        return
    body = fields(None, force=force, comment=comment)
    change(way, id or "", "/breaker", "Forced", format, body=body, if_revision=if_revision, wait=wait)
