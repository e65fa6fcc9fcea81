"""Which realm a customer's phones live under, and whether the customer may have new ones."""

from uuid import UUID

from ringback.kit.db import Duplicate
from ringback.kit.errors import ValidationFailed
from ringback.registrar.realms import store
from ringback.registrar.realms.model import CustomerDeleted, CustomerFrozen, LabelTaken, Realm, Status
from ringback.registrar.work import Uow
from ringback.sip import names


async def require_active(uow: Uow, customer_id: UUID) -> Realm:
    """The customer's realm, made now if need be; a frozen or deleted customer gets nothing new."""
    refusals = {Status.FROZEN: CustomerFrozen, Status.DELETED: CustomerDeleted}
    if refusal := refusals.get(await store.status(uow.session, customer_id)):
        raise refusal
    return await ensure(uow, customer_id)


async def ensure(uow: Uow, customer_id: UUID, label: str | None = None) -> Realm:
    """The customer's realm; a first one gets `label`, or the customer's id."""
    if realm := await store.of_customer(uow.session, customer_id):
        return realm
    chosen = label or str(customer_id)
    if not names.is_label(chosen, customer_id):
        raise ValidationFailed(domain_label="must be 2 to 63 of a-z, 0-9 and inner hyphens, and not a reserved word")
    realm = Realm(customer_id, chosen, names.realm_of(chosen, uow.settings.domain_name_extension))
    try:
        await store.add(uow.session, realm, uow.now)
    except Duplicate:
        raise LabelTaken(domain_label="is taken") from None
    return realm


async def is_frozen(uow: Uow, customer_id: UUID) -> bool:
    return await store.status(uow.session, customer_id) is Status.FROZEN


async def is_deleted(uow: Uow, customer_id: UUID) -> bool:
    return await store.status(uow.session, customer_id) is Status.DELETED


async def set_status(uow: Uow, customer_id: UUID, status: Status) -> None:
    """Say what the customer may do from now on."""
    await store.set_status(uow.session, customer_id, status, uow.now)
