"""`registrar-control trunk …`."""

from typing import Annotated, Any, Final

import msgspec
import typer

from ringback import terminal
from ringback.answers import AsForm, Form
from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.pages import Page, page_of
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
    one,
    password_of_new,
    show_one,
    show_page,
    sure,
)
from ringback.registrar.trunks import service, wire
from ringback.registrar.trunks.model import AuthType, Provisioned, Trunk
from ringback.registrar.work import Uow
from ringback.settings import Settings
from ringback.terminal import asked, do, need, with_settings

app = terminal.new_app("Connections to carriers and PBXes.")

DomainName = Annotated[str | None, typer.Option("--domain", help="domain name, unique on the platform (required)")]
OnlyDomain = Annotated[str | None, typer.Option("--domain", help="domain name")]
AllowedIps = Annotated[
    str | None, typer.Option("--allowed_ips", help="addresses and CIDRs that it may send from, with commas between")
]
Outbound = Annotated[
    bool | None, typer.Option("--outbound/--no_outbound", help="phones call by it what is no extension")
]
LISTED: Final = ("id", "domain_name", "name", "auth_types", "username", "allowed_ips", "tm_create")
NARROW: Final = ("id", "domain_name", "name", "auth_types")
"""Columns where there is no room for all: an id must stay in one line, to be copied."""
NO_WAY_IN: Final = Fault("username", "is required, or --allowed_ips")


@app.command()
@with_settings
def create(
    settings: Settings,
    customer_id: Customer = None,
    domain: DomainName = None,
    name: Name = None,
    detail: Detail = None,
    username: Username = None,
    password: Password = None,
    allowed_ips: AllowedIps = None,
    outbound: Outbound = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Create a trunk, by username and password, by address, or by both; a password not given is made and shown once."""
    customer = terminal.asked_for(terminal.customer_id(settings, customer_id), "Customer id")
    domain = terminal.asked_for(domain, "Domain name")
    password = password_of_new(password, wanted=bool(username))
    addresses = _items(allowed_ips)
    made = _asked(
        customer_id=customer,
        domain_name=domain,
        name=name,
        detail=detail,
        username=username,
        password=password,
        allowed_ips=addresses,
        outbound=outbound,
        auth_types=_ways(basic=bool(username), ip=bool(addresses)),
    )
    show(do(settings, lambda uow: service.create(uow, made.customer_id, made), writes=True), format, "Created")


@app.command()
@with_settings
def get(settings: Settings, id: Id = None, format: AsForm = Form.TABLE) -> None:
    """Show a trunk and how it proves itself; trunks do not register."""
    which = one(id, "Trunk id")
    show(do(settings, lambda uow: service.get(uow, which, of=None)), format, "Trunk")
    if format is Form.TABLE:
        terminal.say("registration status: not applicable")


@app.command("list")
@with_settings
def find(
    settings: Settings,
    customer_id: Customer = None,
    domain: OnlyDomain = None,
    username: Username = None,
    name: Name = None,
    limit: Limit = "100",
    token: Token = "",
    format: AsForm = Form.TABLE,
) -> None:
    """List a customer's trunks, newest first."""
    customer = need(terminal.customer_id(settings, customer_id), "customer_id", "Customer id")
    flags = {"customer_id": customer, "username": username, "domain_name": domain, "name": name}
    filters, cursor, size = page_of(limit, token, lambda: asked(wire.TrunkFilters, **flags))

    async def look(uow: Uow) -> Page[Trunk]:
        return await service.page(uow, filters.given(), cursor, size, deleted=False)

    page = do(settings, look)
    shown = [wire.over_rpc(Provisioned(trunk)) for trunk in page.items]
    show_page(page, shown, format, "Trunks", LISTED, NARROW)


@app.command()
@with_settings
def update(
    settings: Settings,
    id: Id = None,
    name: Name = None,
    detail: Detail = None,
    username: Username = None,
    password: Password = None,
    generate_password: Generate = False,
    allowed_ips: AllowedIps = None,
    outbound: Outbound = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Change a trunk; what is not named stays as it is, "" takes a username or the addresses away."""
    which = one(id, "Trunk id")
    if (
        all(value is None for value in (name, detail, username, password, allowed_ips, outbound))
        and not generate_password
    ):
        flags = "--detail, --username, --password, --generate_password, --allowed_ips or --outbound"
        raise ValidationFailed(Fault("name", f"is required, or {flags}"))
    change = asked(
        wire.ChangeTrunk,
        name=name,
        detail=detail,
        username=username,
        password=changed_password(password),
        password_regenerate=generate_password or None,
        allowed_ips=_items(allowed_ips),
        outbound=outbound,
    )

    async def do_change(uow: Uow) -> Provisioned:
        before = (await service.get(uow, which, of=None)).trunk
        whole = msgspec.structs.replace(change, auth_types=_ways_after(before, change))
        return await service.change(uow, which, whole, of=None)

    show(do(settings, do_change, writes=True), format, "Changed")


@app.command()
@with_settings
def delete(settings: Settings, id: Id = None, force: Force = False, format: AsForm = Form.TABLE) -> None:
    """Delete a trunk: nobody gets in by it any more, its domain name is free again."""
    which = one(id, "Trunk id")
    sure(settings, force, lambda uow: service.get(uow, which, of=None), _show_doomed)
    show(do(settings, lambda uow: service.delete(uow, which, of=None), writes=True), format, "Deleted")


def show(of: Provisioned, format: Form, title: str, *, on_stderr: bool = False) -> None:
    """A trunk as the RPC object or as a table; a password that this command set is shown this once."""
    show_one(wire.over_rpc(of), of.secret, format, f"{title}: {of.trunk.realm}", on_stderr=on_stderr)


def _show_doomed(of: Provisioned) -> None:
    show(of, Form.TABLE, "To be deleted", on_stderr=True)


def _items(text: str | None) -> list[str] | None:
    """What stands between the commas; an empty text is an empty list."""
    return None if text is None else [part.strip() for part in text.split(",")] if text else []


def _ways(*, basic: bool, ip: bool) -> list[AuthType]:
    ways: list[tuple[AuthType, bool]] = [("basic", basic), ("ip", ip)]
    return [way for way, chosen in ways if chosen]


def _ways_after(before: Trunk, change: wire.ChangeTrunk) -> Any:
    """How the trunk proves itself after the change; what the flags do not touch stays. `None` is as before."""
    username = before.username if change.username is None else change.username
    addresses = before.allowed_ips if change.allowed_ips is None else change.allowed_ips
    by_digest = any(value is not None for value in (change.username, change.password, change.password_regenerate))
    ways = _ways(
        basic=bool(username) if by_digest else "basic" in before.auth_types,
        ip="ip" in before.auth_types if change.allowed_ips is None else bool(addresses),
    )
    if not ways:
        raise ValidationFailed(NO_WAY_IN)
    return None if set(ways) == set(before.auth_types) else tuple(ways)


def _asked(**flags: object) -> wire.NewTrunkOfCustomer:
    """A new trunk from flags; instead of `auth_types`, which is no flag, the flags are named that it comes from."""
    try:
        return asked(wire.NewTrunkOfCustomer, **flags)
    except ValidationFailed as failure:
        faults = [fault for fault in failure.faults if fault.field != "auth_types"]
        lost = len(faults) < len(failure.faults) and all(fault.field != NO_WAY_IN.field for fault in faults)
        raise ValidationFailed(*faults, *([NO_WAY_IN] if lost else [])) from None
