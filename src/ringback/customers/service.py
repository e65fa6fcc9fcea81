"""The rules of customers: make, change, freeze, end, find; what the registrar must know is told it at once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from ringback.customers import store
from ringback.customers.events import Action, told
from ringback.customers.keys import service as keys
from ringback.customers.model import Customer, CustomerNotFound
from ringback.customers.people import service as people
from ringback.customers.wire import ChangeAccount, NewCustomer, shown
from ringback.kit.pages import Cursor, Page
from ringback.registrar import relabel
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import CustomerDeleted, Status
from ringback.registrar.work import Uow

KIND: Final = "customer"
"""What the audit log calls customers."""


async def create(uow: Uow, asked: NewCustomer) -> Customer:
    """A new customer with a realm, or one whom the registrar has known alone until now; `id` says which."""
    id = asked.id or uow.new_id()
    state = await realms.set_limits(uow, id, extension=asked.limit_extension, trunk=asked.limit_trunk)
    if state.status is Status.DELETED:
        raise CustomerDeleted
    if asked.domain_label is None:
        await realms.ensure(uow, id)
    else:
        await relabel.set_label(uow, id, asked.domain_label)
    await store.add(uow.session, Customer(id, asked.name, asked.email, asked.detail or "", uow.now))
    made = await get(uow, id)
    uow.audited(KIND, None, shown(made))
    uow.emit(told("created", made, uow.now))
    return made


async def change(uow: Uow, id: UUID, asked: ChangeAccount) -> Customer:
    """Change what is asked for and nothing else; what is so already is no change and no news."""
    before = await get(uow, id, lock=True)
    after = replace(before, **asked.given())
    if after == before:
        return before
    if after.domain_label and after.domain_label != before.domain_label:
        await relabel.set_label(uow, id, after.domain_label)
    if (after.limit_extension, after.limit_trunk) != (before.limit_extension, before.limit_trunk):
        await realms.set_limits(uow, id, extension=after.limit_extension, trunk=after.limit_trunk)
    return await _changed(uow, before, after, "updated")


async def freeze(uow: Uow, id: UUID) -> Customer:
    """The customer gets nothing new, their keys are refused, and no stranger reaches their phones."""
    return await _set_status(uow, id, Status.FROZEN, "frozen")


async def recover(uow: Uow, id: UUID) -> Customer:
    """Take a freeze back; deleted is the end."""
    return await _set_status(uow, id, Status.ACTIVE, "recovered")


async def delete(uow: Uow, id: UUID) -> Customer:
    """End a customer at once, for ever; all of theirs follows, and then whatever says who they were."""
    before = await get(uow, id, lock=True)
    await end(uow, id)
    return await _changed(uow, before, replace(before, status=Status.DELETED, tm_delete=uow.now), "deleted")


async def end(uow: Uow, id: UUID) -> None:
    """Neither the customer nor a key of theirs is let in any more, whoever it is that keeps their name."""
    await realms.set_status(uow, id, Status.DELETED)
    await keys.end_all(uow, id)
    await people.delete_all(uow, id)


async def erase(uow: Uow, id: UUID) -> None:
    """Forget who an ended customer was; that there was one stays known."""
    await store.erase(uow.session, id, uow.now)
    await keys.erase(uow, id)


async def get(uow: Uow, id: UUID, *, lock: bool = False) -> Customer:
    customer = await store.live(uow.session, id, lock=lock)
    if customer is None:
        raise CustomerNotFound
    return customer


async def is_there(uow: Uow, id: UUID) -> bool:
    """Whether somebody has made the customer already."""
    return await store.live(uow.session, id) is not None


async def page(
    uow: Uow, wanted: Mapping[str, Any], cursor: Cursor | None, size: int, *, deleted: bool
) -> Page[Customer]:
    """One page, newest first, with the place where the next one starts."""
    return await store.LISTING.page(uow.session, wanted, cursor, size, deleted=deleted or _are_gone(wanted))


async def whole_moments(
    uow: Uow, wanted: Mapping[str, Any], cursor: Cursor | None, size: int, *, deleted: bool
) -> list[Customer]:
    """One page for a caller who goes on from the last `tm_create`: all rows of that moment are in it."""
    gone = deleted or _are_gone(wanted)
    return await store.LISTING.whole_moments(uow.session, wanted, cursor, size, deleted=gone)


def _are_gone(wanted: Mapping[str, Any]) -> bool:
    """Whether only those are asked for who are no more."""
    return wanted.get("status") == Status.DELETED.value


async def _set_status(uow: Uow, id: UUID, status: Status, action: Action) -> Customer:
    before = await get(uow, id, lock=True)
    if before.status is status:
        return before
    if (await realms.set_status(uow, id, status)).status is not status:
        raise CustomerDeleted
    return await _changed(uow, before, replace(before, status=status), action)


async def _changed(uow: Uow, before: Customer, now: Customer, action: Action) -> Customer:
    after = replace(now, tm_update=uow.now)
    await store.change(uow.session, after)
    uow.audited(KIND, shown(before), shown(after), action)
    uow.emit(told(action, after, uow.now))
    return after
