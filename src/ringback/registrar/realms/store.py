"""SQL of realms and customer states."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, delete, exists, insert, or_, select, update

from ringback.kit.db import Duplicate, Row, Session, Statement, among
from ringback.kit.lookups import Lookup
from ringback.registrar.realms.model import Customer, LabelTaken, Realm, Status
from ringback.registrar.tables import customer_domains, customers, extensions, trunks

DOMAIN_COLUMNS: Final = tuple(column.name for column in customer_domains.columns)
CUSTOMER_COLUMNS: Final = ("customer_id", "status", "limit_extension", "limit_trunk", "tm_status")
IS_CUSTOMER: Final = customers.c.customer_id == bindparam("of_customer")
ADD = Statement(insert(customer_domains), *DOMAIN_COLUMNS)
CHANGE = Statement(
    update(customer_domains).where(customer_domains.c.customer_id == bindparam("of_customer")),
    "domain_label",
    "realm",
    "tm_update",
)
DROP = Statement(delete(customer_domains).where(customer_domains.c.customer_id == bindparam("of_customer")))
OF_CUSTOMER = Statement(select(customer_domains).where(customer_domains.c.customer_id == bindparam("of_customer")))
NAMED = Statement(select(customer_domains).where(customer_domains.c.realm == bindparam("name")))
CUSTOMER: Final = select(*(customers.c[name] for name in CUSTOMER_COLUMNS))
LIVE = Lookup(CUSTOMER, customers.c.customer_id, "of_customer")
LOCKED = Statement(CUSTOMER.where(IS_CUSTOMER).with_for_update())
ADD_CUSTOMER = Statement(insert(customers), *CUSTOMER_COLUMNS, "tm_create")
CHANGE_CUSTOMER = Statement(
    update(customers).where(IS_CUSTOMER), "status", "limit_extension", "limit_trunk", "tm_status", "tm_update"
)
NOTE_ERASED = Statement(update(customers).where(IS_CUSTOMER, customers.c.tm_erase.is_(None)), "tm_erase")
NOTE_STATUS = Statement(update(customers).where(IS_CUSTOMER), "tm_status")
ONE_EXTENSION = Statement(
    select(extensions.c.id)
    .where(extensions.c.customer_id == bindparam("of_customer"), extensions.c.tm_delete.is_(None))
    .limit(1)
)
DELETED_AMONG = Statement(
    select(customers.c.customer_id).where(
        customers.c.status == Status.DELETED.value, among(customers.c.customer_id, "ids")
    )
)
LEFT_OVER = Statement(
    select(customers.c.customer_id)
    .where(
        customers.c.status == Status.DELETED.value,
        or_(
            customers.c.tm_erase.is_(None),
            exists().where(extensions.c.customer_id == customers.c.customer_id, extensions.c.tm_delete.is_(None)),
            exists().where(trunks.c.customer_id == customers.c.customer_id, trunks.c.tm_delete.is_(None)),
            exists().where(customer_domains.c.customer_id == customers.c.customer_id),
        ),
    )
    .order_by(customers.c.customer_id)
)


def to_row(realm: Realm) -> dict[str, Any]:
    return {
        "customer_id": realm.customer_id,
        "domain_label": realm.label,
        "realm": realm.name,
        "tm_create": realm.tm_create,
        "tm_update": realm.tm_update,
    }


def from_row(row: Row) -> Realm:
    return Realm(row["customer_id"], row["domain_label"], row["realm"], row["tm_create"], row["tm_update"])


async def of_customer(session: Session, customer_id: UUID) -> Realm | None:
    return _maybe(await session.one(OF_CUSTOMER, of_customer=customer_id))


async def named(session: Session, name: str) -> Realm | None:
    """The realm of that name, which is kept in lower case."""
    return _maybe(await session.one(NAMED, name=name))


async def add_if_new(session: Session, realm: Realm) -> bool:
    return await session.insert_if_new(ADD, **to_row(realm))


async def change(session: Session, realm: Realm) -> None:
    try:
        await session.run(
            CHANGE,
            of_customer=realm.customer_id,
            domain_label=realm.label,
            realm=realm.name,
            tm_update=realm.tm_update,
        )
    except Duplicate:
        raise LabelTaken(domain_label="is taken") from None


async def has_extensions(session: Session, customer_id: UUID) -> bool:
    """Whether the customer has a live extension."""
    return await session.one(ONE_EXTENSION, of_customer=customer_id) is not None


async def drop(session: Session, customer_id: UUID) -> bool:
    """Whether there was one."""
    return await session.run(DROP, of_customer=customer_id) > 0


async def customer(session: Session, customer_id: UUID) -> Customer:
    """What is known of the customer; one that nobody spoke of is active."""
    return _customer(await session.one(LIVE, of_customer=customer_id)) or Customer(customer_id)


async def locked(session: Session, customer_id: UUID, now: datetime) -> Customer:
    """The same with its row locked, made now if need be."""
    row = await session.one(LOCKED, of_customer=customer_id)
    if row is None:
        new = Customer(customer_id)
        await session.insert_if_new(ADD_CUSTOMER, **_customer_row(new), tm_create=now)
        row = await session.one(LOCKED, of_customer=customer_id)
    return _customer(row) or Customer(customer_id)


async def set_customer(session: Session, customer: Customer, now: datetime) -> None:
    """Write a locked customer down."""
    row = _customer_row(customer)
    await session.run(CHANGE_CUSTOMER, of_customer=row.pop("customer_id"), **row, tm_update=now)


async def note_status(session: Session, customer_id: UUID, now: datetime) -> None:
    """Note that a locked customer's status is what somebody says once more."""
    await session.run(NOTE_STATUS, of_customer=customer_id, tm_status=now)


async def note_erased(session: Session, customer_id: UUID, now: datetime) -> None:
    """Note since when nothing is left of a deleted customer."""
    await session.run(NOTE_ERASED, of_customer=customer_id, tm_erase=now)


async def deleted_among(session: Session, ids: Sequence[UUID]) -> list[UUID]:
    """Those of them who are deleted; `ids` are 1 to `CHUNK`."""
    return [row["customer_id"] for row in await session.all(DELETED_AMONG, ids=ids)]


async def left_over(session: Session) -> list[UUID]:
    """Deleted customers of whom something is left, by id."""
    return [row["customer_id"] for row in await session.all(LEFT_OVER)]


def _maybe(row: Row | None) -> Realm | None:
    return from_row(row) if row else None


def _customer(row: Row | None) -> Customer | None:
    return Customer(**{**row, "status": Status(row["status"])}) if row else None


def _customer_row(customer: Customer) -> dict[str, Any]:
    return {name: getattr(customer, name) for name in CUSTOMER_COLUMNS} | {"status": customer.status.value}
