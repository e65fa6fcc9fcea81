"""Which realm a customer's phones live under, whether the customer may have new ones, and how many."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import UNSET, UnsetType

from ringback.kit.errors import ValidationFailed
from ringback.kit.uow import UnitOfWork
from ringback.registrar.billing import Kind
from ringback.registrar.realms import store, wire
from ringback.registrar.realms.model import (
    LABEL_RULE,
    Customer,
    CustomerDeleted,
    CustomerFrozen,
    LabelTaken,
    LimitExceeded,
    Realm,
    RealmNotFound,
    Status,
)
from ringback.registrar.work import Uow
from ringback.sip import names

LABEL_TRIES: Final = 8
REALM: Final = "customer_domain"
CUSTOMER: Final = "customer_state"
"""What the audit log calls realms, and what the registrar knows of a customer."""


async def require_active(uow: Uow, customer_id: UUID) -> Customer:
    """The customer, locked until the end of the transaction; a frozen or deleted one gets nothing new."""
    customer = await store.locked(uow.session, customer_id, uow.now)
    _require_active(customer)
    return customer


async def lock(uow: Uow, customer_id: UUID) -> None:
    """Keep the customer's row until the end of the transaction."""
    await store.locked(uow.session, customer_id, uow.now)


def ask_billing(uow: Uow, kind: Kind, customer_id: UUID) -> None:
    """Have billing-manager say, where there is one, that the customer may have one more: before all else."""
    if billing := uow.billing:
        uow.outside((kind, customer_id), lambda: billing.require_room(kind, customer_id))


async def require_room(
    uow: Uow, kind: Kind, customer_id: UUID, count: Callable[[], Awaitable[int]], more: int = 1
) -> None:
    """The customer, locked until the end of the transaction, is active and may have one more, or so many.

    That is for billing-manager to say, which is asked for one, or for the customer's limit here.
    """
    ask_billing(uow, kind, customer_id)
    customer = await require_active(uow, customer_id)
    most = 0 if uow.billing else _most(uow, kind, customer)
    if most and await count() + more > most:
        raise LimitExceeded(**{f"limit_{kind}": f"is {most}"})


async def room(uow: Uow, kind: Kind, customer_id: UUID, count: Callable[[], Awaitable[int]]) -> int | None:
    """How many more the customer, who is active, may have; `None` is any number, or for billing-manager to say."""
    found = await customer(uow, customer_id)
    _require_active(found)
    most = 0 if uow.billing else _most(uow, kind, found)
    return max(0, most - await count()) if most else None


async def ensure(uow: Uow, customer_id: UUID, label: str | None = None) -> Realm:
    """The customer's realm; a first one gets `label`, or a short random one if so set, or the customer's id.

    Extensions from before there was a realm live under the customer's id: no new one goes elsewhere by itself.
    """
    if realm := await store.of_customer(uow.session, customer_id):
        return realm
    await store.locked(uow.session, customer_id, uow.now)
    if realm := await store.of_customer(uow.session, customer_id):  # somebody was faster
        return realm
    short = label is None and uow.settings.domain_short_label_enabled
    if short and not await store.has_extensions(uow.session, customer_id):
        return await _short(uow, customer_id)
    realm = _realm(uow, customer_id, str(customer_id) if label is None else label)
    if not await _add_if_new(uow, realm):
        raise LabelTaken(domain_label="is taken")
    return realm


async def of_customer(uow: Uow, customer_id: UUID) -> Realm | None:
    """The customer's realm, if there is one yet."""
    return await store.of_customer(uow.session, customer_id)


async def get(uow: Uow, customer_id: UUID) -> Realm:
    realm = await of_customer(uow, customer_id)
    if realm is None:
        raise RealmNotFound
    return realm


async def find(uow: Uow, name: str) -> Realm:
    """The realm of that name, in whatever letter case."""
    realm = await store.named(uow.session, name.lower()) if name.isascii() else None
    if realm is None:
        raise RealmNotFound
    return realm


async def set_label(uow: Uow, customer_id: UUID, label: str) -> tuple[Realm | None, Realm]:
    """The realm before and after. The caller moves the phones that live in the old one."""
    if (await store.locked(uow.session, customer_id, uow.now)).status is Status.DELETED:
        raise CustomerDeleted
    before = await store.of_customer(uow.session, customer_id)
    if before is None or before.label == label:
        return before, await ensure(uow, customer_id, label)
    after = replace(_realm(uow, customer_id, label), tm_create=before.tm_create, tm_update=uow.now)
    await store.change(uow.session, after)
    uow.audited(REALM, wire.shown(before), wire.shown(after))
    return before, after


async def drop(uow: Uow, customer_id: UUID) -> None:
    """Give the realm of a deleted customer back, after all else of theirs; with that nothing is left of them."""
    if await store.drop(uow.session, customer_id):
        uow.audited(REALM, {"customer_id": customer_id}, None)
    await store.note_erased(uow.session, customer_id, uow.now)


async def customer(uow: UnitOfWork, customer_id: UUID) -> Customer:
    return await store.customer(uow.session, customer_id)


async def status(uow: UnitOfWork, customer_id: UUID) -> Status:
    return (await customer(uow, customer_id)).status


async def is_deleted(uow: UnitOfWork, customer_id: UUID) -> bool:
    return await status(uow, customer_id) is Status.DELETED


async def set_status(uow: Uow, customer_id: UUID, status: Status, heard: datetime | None = None) -> Customer:
    """Say what the customer may do from now on; who is deleted stays so. The customer as it is then.

    What was `heard` before somebody said something else, and could not be done until now, is no news any more.
    """
    before = await store.locked(uow.session, customer_id, uow.now)
    if before.status is Status.DELETED or (heard and before.tm_status and heard < before.tm_status):
        return before
    if before.status is status:
        await store.note_status(uow.session, customer_id, uow.now)
        return before
    after = replace(before, status=status, tm_status=uow.now)
    await store.set_customer(uow.session, after, uow.now)
    uow.audited(CUSTOMER, before, after)
    return after


async def set_limits(
    uow: Uow,
    customer_id: UUID,
    *,
    extension: int | UnsetType | None = UNSET,
    trunk: int | UnsetType | None = UNSET,
) -> Customer:
    """Give the customer limits of their own; `None` is the default again, `UNSET` leaves one as it is."""
    before = await store.locked(uow.session, customer_id, uow.now)
    after = replace(
        before,
        limit_extension=before.limit_extension if extension is UNSET else extension,
        limit_trunk=before.limit_trunk if trunk is UNSET else trunk,
    )
    await store.set_customer(uow.session, after, uow.now)
    uow.audited(CUSTOMER, before, after)
    return after


async def deleted_among(uow: UnitOfWork, ids: Sequence[UUID]) -> list[UUID]:
    """Those of them who are deleted; `ids` are 1 to 500."""
    return await store.deleted_among(uow.session, ids)


async def left_over(uow: Uow) -> list[UUID]:
    """Deleted customers of whom something is left."""
    return await store.left_over(uow.session)


def _require_active(customer: Customer) -> None:
    if customer.status is Status.FROZEN:
        raise CustomerFrozen
    if customer.status is Status.DELETED:
        raise CustomerDeleted


def _most(uow: Uow, kind: Kind, customer: Customer) -> int:
    """How many the customer may have, by a limit of their own or by the default one; 0 is any number."""
    if kind == "extension":
        own, default = customer.limit_extension, uow.settings.limit_extension_default
    else:
        own, default = customer.limit_trunk, uow.settings.limit_trunk_default
    return default if own is None else own


def _realm(uow: Uow, customer_id: UUID, label: str) -> Realm:
    if not names.is_label(label, customer_id):
        raise ValidationFailed(domain_label=LABEL_RULE)
    return Realm(customer_id, label, names.realm_of(label, uow.settings.domain_name_extension), uow.now)


async def _add_if_new(uow: Uow, realm: Realm) -> bool:
    done = await store.add_if_new(uow.session, realm)
    if done:
        uow.audited(REALM, None, wire.shown(realm))
    return done


async def _short(uow: Uow, customer_id: UUID) -> Realm:
    for _ in range(LABEL_TRIES):
        label = uow.memory.new_label()
        if not names.is_label(label, customer_id):  # a reserved word
            continue
        realm = _realm(uow, customer_id, label)
        if await _add_if_new(uow, realm):
            return realm
    raise LabelTaken
