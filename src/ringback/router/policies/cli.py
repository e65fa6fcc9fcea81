"""`router-control policies …`."""

from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.api.client import Asked
from ringback.documents import read_object
from ringback.kit.errors import Fault, ValidationFailed
from ringback.router.control import ROOT, Way, every, one, with_way
from ringback.router.flags import File, Revision, Wait, expected_tag, waiting

app = terminal.new_app("Policies: which router extensions a customer's requests go through.")

WHOLE: Final = f"{ROOT}/policies"
LISTED: Final = ("customer_id", "policy_id", "purpose", "enabled", "deadline_ms", "revision")
NARROW: Final = ("policy_id", "purpose", "enabled", "revision")

Id = Annotated[str, typer.Argument(help="its id", metavar="ID", show_default=False)]
Customer = Annotated[
    str | None, typer.Option("--customer_id", help="whose, for the platform's operator", metavar="UUID")
]
Document = Annotated[
    str | None,
    typer.Option("--document", help="its document alone as JSON or YAML, - is standard input", metavar="FILE"),
]
Purpose = Annotated[str | None, typer.Option("--purpose", help="direct_call: it runs before calls to direct addresses")]
Enabled = Annotated[bool | None, typer.Option("--enabled/--disabled", help="whether requests may run by it")]


@app.command()
@with_way
def create(
    way: Way,
    id: Annotated[str | None, typer.Argument(help="its id", metavar="ID", show_default=False)] = None,
    document: Document = None,
    purpose: Purpose = None,
    enabled: Enabled = None,
    file: File = None,
    customer_id: Customer = None,
    wait: Wait = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Create a policy."""
    body = fields(file, policy_id=id, document=document, purpose=purpose, enabled=enabled)
    change(way, "POST", WHOLE, body, "Created", format, customer_id, wait=wait)


@app.command()
@with_way
def update(
    way: Way,
    id: Id,
    document: Document = None,
    purpose: Purpose = None,
    enabled: Enabled = None,
    merge: Annotated[bool, typer.Option("--merge", help="merge the document into what is there")] = False,
    file: File = None,
    customer_id: Customer = None,
    if_revision: Revision = None,
    wait: Wait = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Change a policy; what is not named stays as it is.

    What `get` gave can be changed and sent back with --file.
    """
    body = fields(file, document=document, purpose=purpose, enabled=enabled)
    method = "PATCH" if merge else "PUT"
    change(way, method, path_of(id), body, "Changed", format, customer_id, if_revision, wait)


@app.command()
@with_way
def get(way: Way, id: Id, customer_id: Customer = None, format: AsForm = Form.TABLE) -> None:
    """Show a policy."""
    answers.show_object(one(way, Asked("GET", path_of(id), whose(customer_id))), format, "Policy")


@app.command("list")
@with_way
def find(way: Way, customer_id: Customer = None, format: AsForm = Form.TABLE) -> None:
    """List policies: a customer's, or all."""
    found = every(way, WHOLE, whose(customer_id))
    answers.show_list(found, format, LISTED if answers.is_wide() else NARROW, "Policies")


@app.command()
@with_way
def delete(
    way: Way,
    id: Id,
    customer_id: Customer = None,
    if_revision: Revision = None,
    wait: Wait = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Delete a policy: nothing runs by it any more."""
    change(way, "DELETE", path_of(id), None, "Deleted", format, customer_id, if_revision, wait)


def fields(file: str | None, *, document: str | None, **flags: Any) -> dict[str, Any]:
    """What the files and the flags say, as a request has it."""
    given = {name: value for name, value in flags.items() if value is not None}
    if document:
        given["document"] = read_object(document, "--document")
    return {**(read_object(file) if file else {}), **given}


def change(
    way: Way,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    title: str,
    format: Form,
    customer_id: str | None,
    if_revision: str | None = None,
    wait: int | None = None,
) -> None:
    """Change a policy and show it."""
    sent = None if body is None else msgspec.json.encode(body)
    asked = Asked(method, path, {**whose(customer_id), **waiting(wait)}, sent, expected_tag(if_revision))
    answers.show_object(one(way, asked), format, title)


def whose(customer_id: str | None) -> dict[str, str]:
    """The query that names the customer, if one is named."""
    return {"customer_id": customer_id} if customer_id is not None else {}


def path_of(id: str) -> str:
    """Where a policy is; one without a name is none."""
    if not id:
        raise ValidationFailed(Fault("policy_id", "is required"))
    return f"{WHOLE}/{quote(id, safe='')}"
