"""SQL of people."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, Index, MetaData, String, Table, bindparam, delete, insert, select, update

from ringback.customers.people.model import EmailTaken, Person
from ringback.kit.columns import Id, Json, Time
from ringback.kit.db import OWN, Duplicate, Row, Session, Statement
from ringback.kit.listing import Listing
from ringback.kit.lookups import Lookup
from ringback.kit.pages import Cursor, Page

metadata = MetaData(schema=OWN)
people = Table(
    "customer_people",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id),
    Column("email", String(254), nullable=False),
    Column("name", String(255), nullable=False),
    Column("roles", Json, nullable=False),
    Column("status", String(16), nullable=False),
    Column("password_hash", String(255), nullable=False),
    Column("tm_create", Time, nullable=False),
    Column("tm_update", Time),
    Index("ux_customer_people_email", "email", unique=True),
    Index("idx_customer_people_customer", "customer_id", "tm_create"),
)
COLUMNS: Final = tuple(column.name for column in people.columns)
WHOLE: Final = select(people)
IS: Final = people.c.id == bindparam("of")

ADD = Statement(insert(people), *COLUMNS)
BY_ID = Lookup(WHOLE, people.c.id, "of")
LOCKED = Statement(WHOLE.where(IS).with_for_update())
BY_EMAIL = Statement(WHOLE.where(people.c.email == bindparam("address")))
CHANGE = Statement(update(people).where(IS), "name", "roles", "status", "password_hash", "tm_update")
DROP = Statement(delete(people).where(IS))
OF_CUSTOMER = Statement(select(people.c.id).where(people.c.customer_id == bindparam("whose")))


def to_row(person: Person) -> dict[str, Any]:
    return {name: getattr(person, name) for name in COLUMNS}


def from_row(row: Row) -> Person:
    return Person(**{**row, "roles": tuple(row["roles"])})


async def add(session: Session, person: Person) -> None:
    try:
        await session.run(ADD, **to_row(person))
    except Duplicate as clash:
        if clash.rule != "email":
            raise
        raise EmailTaken(email="is taken") from None


async def by_id(session: Session, id: UUID, *, lock: bool = False) -> Person | None:
    row = await session.one(LOCKED if lock else BY_ID, of=id)
    return from_row(row) if row else None


async def by_email(session: Session, email: str) -> Person | None:
    row = await session.one(BY_EMAIL, address=email)
    return from_row(row) if row else None


async def change(session: Session, person: Person) -> None:
    row = to_row(person)
    await session.run(CHANGE, of=person.id, **{name: row[name] for name in CHANGE.columns})


async def drop(session: Session, id: UUID) -> None:
    await session.run(DROP, of=id)


async def of_customer(session: Session, customer_id: UUID) -> list[UUID]:
    return [row["id"] for row in await session.all(OF_CUSTOMER, whose=customer_id)]


async def page(
    session: Session, customer_id: UUID | None, wanted: Mapping[str, Any], cursor: Cursor | None, size: int
) -> Page[Person]:
    """People of one customer, or of the platform, newest first."""
    if customer_id is None:
        return await OF_PLATFORM.page(session, wanted, cursor, size, deleted=False)
    return await LISTING.page(session, {**wanted, "customer_id": customer_id}, cursor, size, deleted=False)


LISTING: Final = Listing(people, WHOLE, from_row)
OF_PLATFORM: Final = Listing(people, WHOLE.where(people.c.customer_id.is_(None)), from_row)
