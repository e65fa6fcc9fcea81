"""`registrar-control extension …`."""

from typing import Annotated, Any, Final

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.pages import Page, cursor_of, page_of, size_of
from ringback.registrar.contacts import history as past
from ringback.registrar.contacts import service as contacts
from ringback.registrar.contacts import wire as contacts_wire
from ringback.registrar.contacts.model import Cause
from ringback.registrar.extensions import service, wire
from ringback.registrar.extensions.model import Listed, Provisioned
from ringback.registrar.flags import (
    Customer,
    Detail,
    Force,
    Generate,
    Id,
    Limit,
    Name,
    Password,
    Token,
    Username,
    changed_password,
    number,
    one,
    password_of_new,
    show_one,
    show_page,
    sure,
)
from ringback.registrar.setups import forms, opening, qr
from ringback.registrar.setups import wire as setups_wire
from ringback.registrar.setups.model import MOST_MINUTES, USUAL_MINUTES
from ringback.registrar.work import Seen, Uow
from ringback.settings import Settings
from ringback.terminal import asked, do, need, with_settings

app = terminal.new_app("Phone accounts that a customer can register.")

Number = Annotated[
    str | None, typer.Option("--extension_number", help="the number, unique for the customer (required to create)")
]
Direct = Annotated[bool, typer.Option("--direct", help="with a direct address at once")]
Domain = Annotated[str | None, typer.Option("--domain", help="label of the realm")]

Minutes = Annotated[str, typer.Option("--expires_in_minutes", help=f"for how long the link works, 1 to {MOST_MINUTES}")]
Sheet = Annotated[bool, typer.Option("--sheet", help="no link: make the password now and show it once")]

ContactId = Annotated[str | None, typer.Option("--contact_id", help="one contact alone, by its id in REST")]

CONTACTS: Final = ("uri", "user_agent", "via_addr", "via_port")
PAST: Final = ("tm_create", "event", "cause", "uri", "via_addr", "user_agent", "reg_server")
LISTED: Final = ("id", "extension", "name", "username", "realm", "direct_hash", "tm_create")
NARROW: Final = ("id", "extension", "name", "direct_hash")
"""Columns where there is no room for all: an id must stay in one line, to be copied."""


@app.command()
@with_settings
def create(
    settings: Settings,
    customer_id: Customer = None,
    extension_number: Number = None,
    username: Username = None,
    password: Password = None,
    name: Name = None,
    detail: Detail = None,
    direct: Direct = False,
    format: AsForm = Form.TABLE,
) -> None:
    """Create an extension; without a password one is made and shown once."""
    customer = terminal.asked_for(terminal.customer_id(settings, customer_id), "Customer id")
    number = terminal.asked_for(extension_number or username, "Extension number")
    made = asked(
        wire.NewExtensionOfCustomer,
        customer_id=customer,
        extension=number,
        username=username,
        password=password_of_new(password),
        name=name,
        detail=detail,
        direct=direct,
    )
    show(do(settings, lambda uow: service.create(uow, made.customer_id, made), writes=True), format, "Created")


@app.command()
@with_settings
def get(settings: Settings, id: Id = None, format: AsForm = Form.TABLE) -> None:
    """Show an extension, whether its phone is registered, and where."""
    which = one(id, "Extension id")

    async def look(uow: Uow) -> tuple[Provisioned, Seen, Any]:
        found = await service.get(uow, which, of=None)
        return found, await contacts.of_extension(uow, found.extension), uow.now

    found, seen, now = do(settings, look)
    if format is not Form.TABLE:
        more = {"registered": bool(seen.contacts), "as_of": seen.as_of, "contacts": seen.contacts}
        answers.show({**msgspec.structs.asdict(wire.over_rpc(found.extension, found.secret)), **more}, format)
        return
    show(found, format, "Extension")
    terminal.say("registered" if seen.contacts else "not registered")
    if seen.contacts:
        rows = [msgspec.structs.asdict(contacts_wire.public(contact, now)) for contact in seen.contacts]
        answers.show_rows(rows, (*CONTACTS, "expires_in"), "Contacts")


@app.command("list")
@with_settings
def find(
    settings: Settings,
    customer_id: Customer = None,
    username: Username = None,
    extension_number: Number = None,
    domain: Domain = None,
    limit: Limit = "100",
    token: Token = "",
    format: AsForm = Form.TABLE,
) -> None:
    """List a customer's extensions, newest first."""
    customer = need(terminal.customer_id(settings, customer_id), "customer_id", "Customer id")
    flags = {"customer_id": customer, "username": username, "extension": extension_number, "domain_name": domain}
    filters, cursor, size = page_of(limit, token, lambda: asked(wire.ExtensionFilters, **flags))

    async def look(uow: Uow) -> Page[Listed]:
        return await service.page(uow, filters.given(), cursor, size, deleted=False)

    page = do(settings, look)
    shown = [wire.over_rpc(one) for one in page.items]
    show_page(page, shown, format, "Extensions", LISTED, NARROW)


@app.command()
@with_settings
def update(
    settings: Settings,
    id: Id = None,
    name: Name = None,
    detail: Detail = None,
    password: Password = None,
    generate_password: Generate = False,
    format: AsForm = Form.TABLE,
) -> None:
    """Change an extension; what is not named stays as it is."""
    which = one(id, "Extension id")
    if all(value is None for value in (name, detail, password)) and not generate_password:
        raise ValidationFailed(Fault("name", "is required, or --detail, --password or --generate_password"))
    change = asked(
        wire.ChangeExtension,
        name=name,
        detail=detail,
        password=changed_password(password),
        password_regenerate=generate_password or None,
    )
    show(do(settings, lambda uow: service.change(uow, which, change, of=None), writes=True), format, "Changed")


@app.command()
@with_settings
def delete(settings: Settings, id: Id = None, force: Force = False, format: AsForm = Form.TABLE) -> None:
    """Delete an extension: its phone can register no more, its number is free again."""
    which = one(id, "Extension id")
    sure(settings, force, lambda uow: service.get(uow, which, of=None), _show_doomed)
    show(do(settings, lambda uow: service.delete(uow, which, of=None), writes=True), format, "Deleted")


@app.command()
@with_settings
def setup(
    settings: Settings,
    id: Id = None,
    expires_in_minutes: Minutes = str(USUAL_MINUTES),
    sheet: Sheet = False,
    format: AsForm = Form.TABLE,
) -> None:
    """Set up a phone: a QR code and its link, which works once; or at once, with a sheet to type from."""
    which = one(id, "Extension id")
    if sheet:
        phone = do(settings, lambda uow: opening.renew(uow, which, of=None), writes=True)
        _tell(forms.text(phone), setups_wire.as_json(phone), format)
        return
    wanted = asked(setups_wire.NewSetupLink, expires_in_minutes=number(expires_in_minutes))
    made = do(settings, lambda uow: opening.make(uow, which, wanted.minutes, of=None), writes=True)
    link = setups_wire.public(made.link, made.extension.customer_id, settings.link_base, made.token)
    until = f"It works once, until {link.tm_expire:%Y-%m-%d %H:%M:%S} UTC."
    words = forms.text(opening.told(Provisioned(made.extension), settings))
    _tell("\n\n".join([qr.blocks(setups_wire.scanned(link.url)), f"{link.url}\n{until}", words]), link, format)


def _tell(text: str, data: msgspec.Struct, format: Form) -> None:
    if format is Form.TABLE:
        terminal.say(text)
    else:
        answers.show(data, format)


@app.command()
@with_settings
def history(
    settings: Settings, id: Id = None, limit: Limit = "100", token: Token = "", format: AsForm = Form.TABLE
) -> None:
    """Show when an extension's phone came and went, newest first, and how steady it is."""
    which = one(id, "Extension id")
    size, cursor = size_of(limit), cursor_of(token)

    async def look(uow: Uow) -> contacts_wire.ContactHistory:
        extension = (await service.get(uow, which, of=None)).extension
        page = await past.page(uow, extension, cursor, size)
        return contacts_wire.history(page, await past.summary(uow, extension))

    found = do(settings, look)
    if format is not Form.TABLE:
        answers.show(found, format)
        return
    answers.show_rows([msgspec.structs.asdict(entry) for entry in found.result], PAST, "History")
    seen = found.last_seen.isoformat(timespec="seconds") if found.last_seen else "never"
    steady = f"{found.address_changes} changes of address, {found.flaps_last_hour} flaps in the last hour"
    terminal.say(f"last seen {seen}; {steady}")
    if found.next_page_token:
        terminal.hint(f"more: --token {found.next_page_token}")


@app.command()
@with_settings
def unregister(settings: Settings, id: Id = None, contact_id: ContactId = None, format: AsForm = Form.TABLE) -> None:
    """Unregister an extension's phone everywhere, or one contact of it; a phone that has the password may come back."""
    which = one(id, "Extension id")

    async def forget(uow: Uow) -> list[Any]:
        extension = (await service.get(uow, which, of=None, lock=True)).extension
        gone, _ = await contacts.forget(uow, extension, Cause.API, contact_id)
        return [contacts_wire.public(contact, uow.now) for contact in gone]

    gone = do(settings, forget, writes=True)
    if format is not Form.TABLE:
        answers.show(gone, format)
        return
    answers.show_rows([msgspec.structs.asdict(contact) for contact in gone], ("id", *CONTACTS), "Unregistered")


def show(of: Provisioned, format: Form, title: str, *, on_stderr: bool = False) -> None:
    """An extension as the RPC object or as a table; a password that this command set is shown this once."""
    shown, whole = wire.over_rpc(of.extension, of.secret), f"{title}: {of.extension.endpoint_id}"
    show_one(shown, of.secret, format, whole, HIDDEN, on_stderr=on_stderr)


HIDDEN = ("aor_id", "auth_id", "direct_id")
"""Columns that say nothing more to people."""


def _show_doomed(of: Provisioned) -> None:
    show(of, Form.TABLE, "To be deleted", on_stderr=True)
