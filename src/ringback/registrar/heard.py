"""What we do when others tell us something: one function an event, each of which may be done again."""

from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from ringback.customers.model import PUBLISHER as CUSTOMERS
from ringback.kit.inbox import Heard
from ringback.kit.uow import Work
from ringback.registrar import cascade
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Status
from ringback.registrar.work import Uow


async def created(work: Work[Uow], id: UUID, at: datetime) -> None:
    """The customer gets a realm; one who was deleted meanwhile does not."""
    await work.write(partial(_ensure_realm, customer_id=id))


async def deleted(work: Work[Uow], id: UUID, at: datetime) -> None:
    """The customer ends, with all of theirs."""
    await cascade.end(work, id)


async def frozen(work: Work[Uow], id: UUID, at: datetime) -> None:
    """The customer gets nothing new, and no stranger reaches them."""
    await work.write(partial(realms.set_status, customer_id=id, status=Status.FROZEN, heard=at))


async def recovered(work: Work[Uow], id: UUID, at: datetime) -> None:
    """The customer is as before; a deleted one stays deleted."""
    await work.write(partial(realms.set_status, customer_id=id, status=Status.ACTIVE, heard=at))


HEARD: Final[dict[tuple[str, str], Heard[Uow]]] = {
    (CUSTOMERS, "customer_created"): created,
    (CUSTOMERS, "customer_deleted"): deleted,
    (CUSTOMERS, "customer_frozen"): frozen,
    (CUSTOMERS, "customer_recovered"): recovered,
}


async def _ensure_realm(uow: Uow, customer_id: UUID) -> None:
    if not await realms.is_deleted(uow, customer_id):
        await realms.ensure(uow, customer_id)
