"""`ringback key …`: access keys are made, listed and revoked on the database itself."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.customers.keys import service, wire
from ringback.customers.keys.model import SHOWN, AccessKey
from ringback.customers.rights import OF_CUSTOMERS, PLATFORM, SCOPES
from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.reading import Faults
from ringback.kit.routing import parse_id
from ringback.kit.secret import Secret
from ringback.kit.uow import UnitOfWork
from ringback.registrar.asked import OfCustomer
from ringback.settings import RouterSettings, Settings
from ringback.terminal import asked, do, with_settings

app = terminal.new_app("Access keys: who may ask, for whom, and what.")

Name = Annotated[str | None, typer.Argument(help="what it is called, in lists and in the audit log", metavar="NAME")]
Role = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        help=f"of the platform: {', '.join(sorted(PLATFORM))}; of a customer: {', '.join(sorted(OF_CUSTOMERS))}",
    ),
]
Whose = Annotated[
    str | None, typer.Option("--customer_id", "--customer", help="whose key it is; else the platform's", metavar="UUID")
]
Days = Annotated[str | None, typer.Option("--expires_in_days", help="after how many days it ends; else never")]
Scopes = Annotated[
    list[str] | None, typer.Option("--scope", help=f"may do only these of its roles: {', '.join(sorted(SCOPES))}")
]
Sources = Annotated[list[str] | None, typer.Option("--source_cidr", help="requests may come from there alone")]
Bootstrap = Annotated[bool, typer.Option("--bootstrap", help="the operator's first key, only where there is none yet")]
Which = Annotated[str, typer.Argument(help="its first characters as lists show them, or its id", metavar="PREFIX|ID")]
COLUMNS = ("prefix", "name", "roles", "customer_id", "state", "tm_expire")


@app.command()
@partial(with_settings, kind=RouterSettings)
def create(
    settings: Settings,
    name: Name = None,
    role: Role = None,
    customer_id: Whose = None,
    expires_in_days: Days = None,
    scope: Scopes = None,
    source_cidr: Sources = None,
    bootstrap: Bootstrap = False,
    format: AsForm = Form.TABLE,
) -> None:
    """Make an access key and print it, this once."""
    if bootstrap and (name or role or customer_id or expires_in_days or scope or source_cidr):
        raise ValidationFailed(Fault("bootstrap", "goes with nothing else"))
    if bootstrap:
        _show_new(do(settings, service.bootstrap, writes=True, compares=False), format)
        return
    days = int(expires_in_days) if (expires_in_days or "").isdecimal() else expires_in_days  # type: ignore[arg-type]
    new, whose = _asked(
        customer_id, name=name, roles=role, scopes=scope, source_cidrs=source_cidr, expires_in_days=days
    )
    _show_new(do(settings, lambda uow: service.create(uow, whose, new), writes=True, compares=False), format)


def _asked(customer_id: str | None, **flags: Any) -> tuple[wire.NewKey, UUID | None]:
    """The key and whose it shall be; all faulty flags at once."""
    faults = Faults()
    new = faults.of(
        lambda: asked(wire.NewKey, **{name: None if value == [] else value for name, value in flags.items()})
    )
    whose = faults.of(lambda: asked(OfCustomer, customer_id=customer_id)) if customer_id else None
    faults.of(lambda: service.require_roles(flags["roles"] or (), of_customer=bool(customer_id)))
    if new is None or faults.found:
        raise ValidationFailed(*{fault.field: fault for fault in faults.found}.values())
    return new, whose.customer_id if whose else None


@app.command("list")
@partial(with_settings, kind=RouterSettings)
def find(settings: Settings, customer_id: Whose = None, format: AsForm = Form.TABLE) -> None:
    """List access keys, those that have ended too; none in clear."""
    whose = asked(OfCustomer, customer_id=customer_id).customer_id if customer_id else None

    async def look(uow: UnitOfWork) -> list[dict[str, Any]]:
        return [_fields(key, uow.now) for key in await service.every(uow, whose)]

    answers.show_list(do(settings, look, compares=False), format, COLUMNS, "Access keys")


@app.command()
@partial(with_settings, kind=RouterSettings)
def revoke(settings: Settings, key: Which, format: AsForm = Form.TABLE) -> None:
    """End an access key: its next request is refused."""
    named = _named(key)

    async def end(uow: UnitOfWork) -> dict[str, Any]:
        return _fields(await service.revoke(uow, named), uow.now)

    answers.show_object(do(settings, end, writes=True, compares=False), format, "Access key")


def _named(text: str) -> UUID | str:
    """An id or a prefix; never a whole key, which should stand in no list of processes."""
    try:
        return parse_id(text)
    except ValueError:
        if len(text) != SHOWN:
            told = f"must be the first {SHOWN} characters of one, or an id"
            raise ValidationFailed(Fault("key", told)) from None
        return text


def _fields(key: AccessKey, now: datetime) -> dict[str, Any]:
    """A key for eyes, without the field that is empty anyway."""
    fields: dict[str, Any] = msgspec.to_builtins(wire.shown(key, now))
    del fields["key"]
    return fields


def _show_new(made: tuple[AccessKey, Secret], format: Form) -> None:
    key, token = made
    fields = _fields(key, key.tm_create)
    if format is not Form.TABLE:
        answers.show({**fields, "key": token.reveal()}, format)
        return
    answers.show_object(fields, format, "Access key")
    terminal.say(f"key: {token.reveal()}   (shown this once)")
