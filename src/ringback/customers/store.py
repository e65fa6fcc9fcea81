"""SQL of customers; each is read together with what the registrar says of them."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, Index, MetaData, String, Table, bindparam, func, insert, select, update

from ringback.customers.model import Customer, CustomerExists
from ringback.kit.columns import Id, Time
from ringback.kit.db import OWN, Duplicate, Row, Session, Statement
from ringback.kit.listing import Listing
from ringback.kit.lookups import Lookup
from ringback.registrar.realms.model import Status
from ringback.registrar.tables import customer_domains as domains
from ringback.registrar.tables import customers as states

metadata = MetaData(schema=OWN)
customers = Table(
    "ringback_customers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("email", String(255), nullable=False),
    Column("detail", String(255), nullable=False),
    Column("tm_create", Time, nullable=False),
    Column("tm_update", Time),
    Column("tm_delete", Time),
    Index("idx_ringback_customers_page", "tm_create", "id"),
)

COLUMNS: Final = tuple(column.name for column in customers.columns)
IS_CUSTOMER: Final = customers.c.id == bindparam("of_customer")
WHOLE: Final = select(
    *customers.columns,
    func.coalesce(states.c.status, Status.ACTIVE.value).label("status"),
    states.c.limit_extension,
    states.c.limit_trunk,
    domains.c.domain_label,
).select_from(
    customers.outerjoin(states, states.c.customer_id == customers.c.id).outerjoin(
        domains, domains.c.customer_id == customers.c.id
    )
)
ADD = Statement(insert(customers), *COLUMNS)
CHANGE = Statement(update(customers).where(IS_CUSTOMER), "name", "email", "detail", "tm_update", "tm_delete")
LOCK = Statement(select(customers.c.id).where(IS_CUSTOMER).with_for_update())
LIVE = Lookup(WHOLE.where(customers.c.tm_delete.is_(None)), customers.c.id, "of_customer")
ERASE = Statement(update(customers).where(IS_CUSTOMER), "name", "email", "detail")
END = Statement(update(customers).where(IS_CUSTOMER, customers.c.tm_delete.is_(None)), "tm_update", "tm_delete")


def from_row(row: Row) -> Customer:
    return Customer(**{**row, "status": Status(row["status"])})


async def add(session: Session, customer: Customer) -> None:
    try:
        await session.run(ADD, **_values(customer, COLUMNS))
    except Duplicate:
        raise CustomerExists(id="is taken") from None


async def change(session: Session, customer: Customer) -> None:
    await session.run(CHANGE, of_customer=customer.id, **_values(customer, CHANGE.columns))


async def live(session: Session, id: UUID, *, lock: bool = False) -> Customer | None:
    if lock:
        await session.one(LOCK, of_customer=id)
    row = await session.one(LIVE, of_customer=id)
    return from_row(row) if row else None


async def erase(session: Session, id: UUID, now: datetime) -> None:
    """Keep nothing of who the customer was, only that there was one."""
    await session.run(END, of_customer=id, tm_update=now, tm_delete=now)
    await session.run(ERASE, of_customer=id, name="", email="", detail="")


def _values(customer: Customer, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(customer, name) for name in names}


LISTING: Final = Listing(customers, WHOLE, from_row)
