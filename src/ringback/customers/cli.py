"""`ringback customer …`: customers on the database itself, by the rules that REST follows."""

from functools import partial
from typing import Annotated, Final
from uuid import UUID

import typer

from ringback import terminal
from ringback.answers import AsForm, Form
from ringback.app import Ringback
from ringback.customers import service, wire
from ringback.customers.model import Customer, CustomerNotFound
from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.pages import Page, page_of
from ringback.registrar import cascade
from ringback.registrar.flags import Detail, Force, Limit, Most, Token, customer_of, limit_of, show_one, show_page
from ringback.registrar.meta import require_same
from ringback.registrar.realms import service as realms
from ringback.registrar.work import Uow
from ringback.settings import Settings
from ringback.terminal import asked, do, with_settings

app = terminal.new_app("Customers: who they are, how much they may have, and when they end.")

Which = Annotated[str | None, typer.Option("--customer_id", help="which customer (required)", metavar="UUID")]
Known = Annotated[str | None, typer.Option("--id", help="the id that they have already elsewhere", metavar="UUID")]
Name = Annotated[str | None, typer.Option("--name", help="what people call them")]
Email = Annotated[str | None, typer.Option("--email", help="where they are written to")]
Label = Annotated[str | None, typer.Option("--label", help="the first part of their realm; else it is chosen")]
State = Annotated[str | None, typer.Option("--status", help="active, frozen or deleted")]
Gone = Annotated[bool, typer.Option("--deleted", help="those that are no more")]
LISTED: Final = ("id", "name", "email", "status", "domain_label", "tm_create")
NARROW: Final = ("id", "name", "status")


@app.command()
@with_settings
def create(
    settings: Settings,
    name: Name = None,
    email: Email = None,
    detail: Detail = None,
    label: Label = None,
    extension: Most = None,
    trunk: Most = None,
    id: Known = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Make a customer; their first access key is made by `ringback key create`."""
    name = terminal.asked_for(name, "Name")
    email = terminal.asked_for(email, "E-mail")
    new = asked(
        wire.NewCustomer,
        name=name,
        email=email,
        detail=detail,
        id=id,
        domain_label=label,
        limit_extension=limit_of(extension),
        limit_trunk=limit_of(trunk),
    )
    _show(do(settings, lambda uow: service.create(uow, new), writes=True), format, "Created")


@app.command()
@with_settings
def get(settings: Settings, customer_id: Which = None, format: AsForm = Form.TABLE) -> None:
    """Show a customer."""
    which = customer_of(customer_id)
    _show(do(settings, lambda uow: service.get(uow, which)), format, "Customer")


@app.command("list")
@with_settings
def find(
    settings: Settings,
    name: Name = None,
    email: Email = None,
    status: State = None,
    deleted: Gone = False,
    limit: Limit = "100",
    token: Token = "",
    format: AsForm = Form.TABLE,
) -> None:
    """List customers, newest first."""
    flags = {"name": name, "email": email, "status": status}
    filters, cursor, size = page_of(limit, token, lambda: asked(wire.CustomerFilters, **flags))

    async def look(uow: Uow) -> Page[Customer]:
        return await service.page(uow, filters.given(), cursor, size, deleted=deleted)

    page = do(settings, look)
    show_page(page, [wire.shown(customer) for customer in page.items], format, "Customers", LISTED, NARROW)


@app.command()
@with_settings
def update(
    settings: Settings,
    customer_id: Which = None,
    name: Name = None,
    email: Email = None,
    detail: Detail = None,
    label: Label = None,
    extension: Most = None,
    trunk: Most = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Change a customer; what is not named stays as it is."""
    which = customer_of(customer_id)
    if all(value is None for value in (name, email, detail, label, extension, trunk)):
        raise ValidationFailed(Fault("name", "is required, or --email, --detail, --label, --extension or --trunk"))
    change = asked(
        wire.ChangeCustomer,
        name=name,
        email=email,
        detail=detail,
        domain_label=label,
        limit_extension=limit_of(extension),
        limit_trunk=limit_of(trunk),
    )
    _show(do(settings, lambda uow: service.change(uow, which, change), writes=True), format, "Changed")


@app.command()
@with_settings
def freeze(settings: Settings, customer_id: Which = None, format: AsForm = Form.TABLE) -> None:
    """Let a customer have nothing new, refuse their keys, and let no stranger reach their phones."""
    which = customer_of(customer_id)
    _show(do(settings, lambda uow: service.freeze(uow, which), writes=True), format, "Frozen")


@app.command()
@with_settings
def recover(settings: Settings, customer_id: Which = None, format: AsForm = Form.TABLE) -> None:
    """Take a freeze back."""
    which = customer_of(customer_id)
    _show(do(settings, lambda uow: service.recover(uow, which), writes=True), format, "Recovered")


@app.command()
@with_settings
def delete(settings: Settings, customer_id: Which = None, force: Force = False, format: AsForm = Form.TABLE) -> None:
    """Delete a customer for ever, with all of theirs, and forget them. Stopped half-way, it can be run again."""
    which = customer_of(customer_id)
    if not force:
        if terminal.is_terminal():
            _show(do(settings, lambda uow: service.get(uow, which)), Form.TABLE, "To be deleted", on_stderr=True)
        terminal.confirm("Delete the customer with all of theirs, for ever?", force=force)

    async def job(ringback: Ringback) -> Customer | None:
        await ringback.work.read(require_same)
        gone = await _ended(ringback, which)
        done = await cascade.end(ringback.work, which, terminal.progress("deleted"))
        terminal.hint(f"{done} deleted")
        return gone

    if gone := terminal.work(settings, job):
        _show(gone, format, "Deleted")


async def _ended(ringback: Ringback, id: UUID) -> Customer | None:
    """The customer, as they were; `None` for one who has ended already, of whom something may be left."""
    try:
        return await ringback.work.write(partial(service.delete, id=id))
    except CustomerNotFound:
        if not await ringback.work.read(partial(realms.is_deleted, customer_id=id)):
            raise
        return None


def _show(customer: Customer, format: Form, title: str, *, on_stderr: bool = False) -> None:
    show_one(wire.shown(customer), None, format, title, on_stderr=on_stderr)
