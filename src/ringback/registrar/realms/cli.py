"""`registrar-control domain …` and `registrar-control customer …`."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any, Final

import msgspec
import typer
from msgspec import UNSET, UnsetType

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.app import Ringback
from ringback.kit.errors import Fault
from ringback.registrar import cascade, relabel
from ringback.registrar.asked import OfCustomer
from ringback.registrar.extensions import service as extensions
from ringback.registrar.extensions import wire as extensions_wire
from ringback.registrar.flags import Customer as Whose
from ringback.registrar.flags import Force, Most, customer_of, limit_of
from ringback.registrar.meta import require_recorded, require_same
from ringback.registrar.realms import service, wire
from ringback.registrar.realms.model import Customer, CustomerDeleted, Status
from ringback.registrar.trunks import service as trunks
from ringback.registrar.work import Uow
from ringback.settings import Settings
from ringback.terminal import asked, do, with_settings

domain = terminal.new_app("The domain that a customer's phones live under.")
customer = terminal.new_app("What a customer may do, and how much of it.")

Which = Annotated[str | None, typer.Option("--customer_id", help="which customer (required)", metavar="UUID")]
LabelFlag = Annotated[str | None, typer.Option("--label", help="the new label (required)")]
Reissue = Annotated[bool, typer.Option("--reissue", help="give every phone of the customer a new password")]
MOVING: Final = 60.0
"""Seconds that all phones of a customer may take to move, in one transaction: some 0.4 ms each."""


class NewLabel(OfCustomer, frozen=True, kw_only=True):
    """Which customer, and the label that their domain is to have."""

    label: wire.Label


class NewLimits(OfCustomer, frozen=True, kw_only=True):
    """Which customer, and how many objects they may have."""

    limit_extension: wire.Limit | UnsetType | None = UNSET
    limit_trunk: wire.Limit | UnsetType | None = UNSET

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        if not values.keys() & {"limit_extension", "limit_trunk"}:
            yield Fault("limit_extension", "is required, or --trunk")


@domain.command("get")
@with_settings
def get_domain(settings: Settings, customer_id: Whose = None, format: AsForm = Form.TABLE) -> None:
    """Show the domain of a customer's phones."""
    which = customer_of(terminal.customer_id(settings, customer_id))
    _show_domain(wire.shown(do(settings, lambda uow: service.get(uow, which))), [], format)


@domain.command("set")
@with_settings
def set_domain(
    settings: Settings,
    customer_id: Whose = None,
    label: LabelFlag = None,
    reissue: Reissue = False,
    force: Force = False,
    format: AsForm = Form.TABLE,
) -> None:
    """Give the domain of a customer's phones another label; phones in it must be set up anew."""
    whose = terminal.asked_for(terminal.customer_id(settings, customer_id), "Customer id")
    new = asked(NewLabel, customer_id=whose, label=terminal.asked_for(label, "Label"))
    count = do(settings, lambda uow: extensions.count(uow, new.customer_id))
    if reissue and count:
        terminal.confirm(f"Give {count} phones another domain and new passwords?", force=force)

    async def change(uow: Uow) -> relabel.Relabelled:
        await require_recorded(uow)
        return await relabel.set_label(uow, new.customer_id, new.label, reissue=reissue)

    changed = terminal.work(settings, lambda ringback: ringback.work.write(change, patience=MOVING))
    moved = [extensions_wire.over_rpc(phone.extension, phone.secret) for phone in changed.moved]
    _show_domain(wire.shown(changed.realm), moved, format)


@customer.command("get")
@with_settings
def get_customer(settings: Settings, customer_id: Which = None, format: AsForm = Form.TABLE) -> None:
    """Show what a customer may do, and what they have."""
    which = customer_of(customer_id)
    _show(settings, do(settings, lambda uow: service.customer(uow, which)), format)


@customer.command()
@with_settings
def limit(
    settings: Settings,
    customer_id: Which = None,
    extension: Most = None,
    trunk: Most = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Give a customer limits of their own, or the platform's again."""
    numbers = {"limit_extension": limit_of(extension), "limit_trunk": limit_of(trunk)}
    new = asked(NewLimits, customer_id=terminal.asked_for(customer_id, "Customer id"), **numbers)
    verb = partial(
        service.set_limits, customer_id=new.customer_id, extension=new.limit_extension, trunk=new.limit_trunk
    )
    _show(settings, do(settings, verb, writes=True), format)


@customer.command()
@with_settings
def freeze(settings: Settings, customer_id: Which = None, format: AsForm = Form.TABLE) -> None:
    """Let a customer have nothing new, refuse their keys, and let no stranger reach their phones."""
    _set_status(settings, customer_id, Status.FROZEN, format)


@customer.command()
@with_settings
def recover(settings: Settings, customer_id: Which = None, format: AsForm = Form.TABLE) -> None:
    """Take a freeze back."""
    _set_status(settings, customer_id, Status.ACTIVE, format)


@customer.command()
@with_settings
def delete(settings: Settings, customer_id: Which = None, force: Force = False, format: AsForm = Form.TABLE) -> None:
    """Delete a customer for ever, with all of their extensions and trunks. Stopped half-way, it can be run again."""
    which = customer_of(customer_id)
    if not force:
        if terminal.is_terminal():
            _show(settings, do(settings, lambda uow: service.customer(uow, which)), Form.TABLE, on_stderr=True)
        terminal.confirm("Delete the customer with all of that, for ever?", force=force)

    async def job(ringback: Ringback) -> Customer:
        await ringback.work.read(require_same)
        done = await cascade.end(ringback.work, which, terminal.progress("deleted"))
        terminal.hint(f"{done} deleted")
        return await ringback.work.read(lambda uow: service.customer(uow, which))

    _show(settings, terminal.work(settings, job), format)


def _set_status(settings: Settings, customer_id: str | None, status: Status, format: Form) -> None:
    which = customer_of(customer_id)

    async def change(uow: Uow) -> Customer:
        after = await service.set_status(uow, which, status)
        if after.status is not status:
            raise CustomerDeleted
        return after

    _show(settings, do(settings, change, writes=True), format)


def _show(settings: Settings, of: Customer, format: Form, *, on_stderr: bool = False) -> None:
    async def look(uow: Uow) -> dict[str, object]:
        return {
            "customer_id": of.customer_id,
            "status": of.status.value,
            "extensions": await extensions.count(uow, of.customer_id),
            "limit_extension": _limit(of.limit_extension, uow.settings.limit_extension_default),
            "trunks": await trunks.count(uow, of.customer_id),
            "limit_trunk": _limit(of.limit_trunk, uow.settings.limit_trunk_default),
        }

    fields = do(settings, look)
    if format is not Form.TABLE:
        answers.show(fields, format)
    else:
        answers.show_fields(fields, "Customer", on_stderr=on_stderr)


def _limit(own: int | None, default: int) -> int:
    return default if own is None else own


def _show_domain(shown: wire.CustomerDomain, moved: list[extensions_wire.ExtensionOverRpc], format: Form) -> None:
    if format is not Form.TABLE:
        more = {"extensions": moved} if moved else {}
        answers.show({**msgspec.structs.asdict(shown), **more}, format)
        return
    answers.show_fields(msgspec.structs.asdict(shown), "Domain")
    if moved:
        rows = [msgspec.structs.asdict(phone) for phone in moved]
        answers.show_rows(rows, ("endpoint_id", "username", "password"), "Phones (passwords are shown this once)")
