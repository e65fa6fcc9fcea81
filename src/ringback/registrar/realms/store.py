"""SQL of realms and customer states."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, insert, select, update

from ringback.kit.db import Row, Session, Statement
from ringback.registrar.realms.model import Realm, Status
from ringback.registrar.tables import customer_domains, customers

DOMAIN_COLUMNS: Final = ("customer_id", "domain_label", "realm", "tm_create")
ADD = Statement(insert(customer_domains), *DOMAIN_COLUMNS)
OF_CUSTOMER = Statement(select(customer_domains).where(customer_domains.c.customer_id == bindparam("customer_id")))
STATUS = Statement(select(customers.c.status).where(customers.c.customer_id == bindparam("customer_id")))
ADD_STATUS = Statement(insert(customers), "customer_id", "status", "tm_create")
SET_STATUS = Statement(
    update(customers).where(customers.c.customer_id == bindparam("of_customer")), "status", "tm_update"
)


def from_row(row: Row) -> Realm:
    return Realm(customer_id=row["customer_id"], label=row["domain_label"], name=row["realm"])


async def of_customer(session: Session, customer_id: UUID) -> Realm | None:
    row = await session.one(OF_CUSTOMER, customer_id=customer_id)
    return from_row(row) if row else None


async def add(session: Session, realm: Realm, now: datetime) -> None:
    await session.run(ADD, customer_id=realm.customer_id, domain_label=realm.label, realm=realm.name, tm_create=now)


async def status(session: Session, customer_id: UUID) -> Status:
    row = await session.one(STATUS, customer_id=customer_id)
    return Status(row["status"]) if row else Status.ACTIVE


async def set_status(session: Session, customer_id: UUID, status: Status, now: datetime) -> None:
    if not await session.insert_if_new(ADD_STATUS, customer_id=customer_id, status=status.value, tm_create=now):
        await session.run(SET_STATUS, of_customer=customer_id, status=status.value, tm_update=now)
