"""SQL of access keys."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CHAR,
    Column,
    Index,
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    insert,
    or_,
    select,
    true,
    update,
)  # fmt: skip

from ringback.customers.keys.model import AccessKey, State
from ringback.kit.columns import Id, Json, Time
from ringback.kit.db import CHUNK, OWN, Row, Session, Statement
from ringback.kit.listing import Listing
from ringback.kit.lookups import Lookup
from ringback.kit.pages import Cursor, Page
from ringback.registrar.realms.model import Status
from ringback.registrar.tables import customers

metadata = MetaData(schema=OWN)
accesskeys = Table(
    "registrar_accesskeys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("customer_id", Id),
    Column("name", String(255)),
    Column("token_hash", CHAR(64), nullable=False),
    Column("token_prefix", String(16), nullable=False),
    Column("roles", Json, nullable=False),
    Column("scopes", Json),
    Column("source_cidrs", Json),
    Column("tm_expire", Time),
    Column("tm_revoke", Time),
    Column("tm_last_use", Time),
    Column("tm_create", Time),
    Column("tm_update", Time),
    Column("tm_delete", Time),
    Index("ux_registrar_accesskeys_token", "token_hash", unique=True),
    Index("idx_registrar_accesskeys_customer_id", "customer_id"),
)

COLUMNS: Final = (
    "id", "customer_id", "name", "token_hash", "token_prefix", "roles", "tm_create", "tm_expire", "tm_revoke",
    "scopes", "source_cidrs", "tm_last_use",
)  # fmt: skip
WHOLE: Final = select(*(accesskeys.c[name] for name in COLUMNS)).where(accesskeys.c.tm_delete.is_(None))
IN_ORDER: Final = WHOLE.where(accesskeys.c.id > bindparam("after")).order_by(accesskeys.c.id).limit(CHUNK)

ADD = Statement(insert(accesskeys), *COLUMNS)
BY_HASH = Lookup(
    WHOLE.add_columns(customers.c.status.label("customer_status")).outerjoin(
        customers, customers.c.customer_id == accesskeys.c.customer_id
    ),
    accesskeys.c.token_hash,
    "hash",
)
BY_ID = Lookup(WHOLE, accesskeys.c.id, "of")
BY_PREFIX = Statement(WHOLE.where(accesskeys.c.token_prefix == bindparam("prefix")))
BEHIND = Statement(IN_ORDER.where(accesskeys.c.tm_revoke.is_(None)))
ALL_BEHIND = Statement(IN_ORDER)
REVOKE = Statement(
    update(accesskeys).where(accesskeys.c.id == bindparam("of"), accesskeys.c.tm_revoke.is_(None)),
    "tm_revoke",
    "tm_update",
)
OF_CUSTOMER: Final = accesskeys.c.customer_id == bindparam("of_customer")
REVOKE_ALL = Statement(
    update(accesskeys).where(OF_CUSTOMER, accesskeys.c.tm_revoke.is_(None)), "tm_revoke", "tm_update"
)
ERASE = Statement(update(accesskeys).where(OF_CUSTOMER), "name", "source_cidrs")
ANY = Statement(select(accesskeys.c.id).limit(1))
USED = Statement(
    update(accesskeys).where(
        accesskeys.c.id == bindparam("of"),
        or_(accesskeys.c.tm_last_use.is_(None), accesskeys.c.tm_last_use <= bindparam("before")),
    ),
    "tm_last_use",
)

IN_STATE: Final = {
    None: true(),
    "revoked": accesskeys.c.tm_revoke.is_not(None),
    "expired": and_(accesskeys.c.tm_revoke.is_(None), accesskeys.c.tm_expire <= bindparam("now")),
    "working": and_(
        accesskeys.c.tm_revoke.is_(None),
        or_(accesskeys.c.tm_expire.is_(None), accesskeys.c.tm_expire > bindparam("now")),
    ),
}


def to_row(key: AccessKey) -> dict[str, Any]:
    return {name: getattr(key, name) for name in COLUMNS} | {"source_cidrs": key.source_cidrs or None}


def from_row(row: Row) -> AccessKey:
    """By places, since names take twice as long, and each request has one."""
    return AccessKey(
        row["id"],
        row["customer_id"],
        row["name"],
        row["token_hash"],
        row["token_prefix"],
        tuple(row["roles"]),
        row["tm_create"],
        row["tm_expire"],
        row["tm_revoke"],
        None if row["scopes"] is None else tuple(row["scopes"]),
        tuple(row["source_cidrs"] or ()),
        row["tm_last_use"],
    )


async def add(session: Session, key: AccessKey) -> None:
    await session.run(ADD, **to_row(key))


async def by_hash(session: Session, hash: str) -> tuple[AccessKey, Status] | None:
    """A key, and what its customer may do: one that nobody spoke of is active, and so is the platform."""
    row = await session.one(BY_HASH, hash=hash)
    if row is None:
        return None
    status = row["customer_status"]
    return from_row(row), Status(status) if status else Status.ACTIVE


async def by_id(session: Session, id: UUID) -> AccessKey | None:
    row = await session.one(BY_ID, of=id)
    return from_row(row) if row else None


async def by_prefix(session: Session, prefix: str) -> list[AccessKey]:
    """Those that begin like this: one, or hardly ever more."""
    return [from_row(row) for row in await session.all(BY_PREFIX, prefix=prefix)]


async def behind(session: Session, id: UUID, *, revoked: bool = False) -> list[AccessKey]:
    """Some behind an id, in the order of their ids; none at the end. Those that are `revoked` only if wanted."""
    return [from_row(row) for row in await session.all(ALL_BEHIND if revoked else BEHIND, after=id)]


async def revoke(session: Session, id: UUID, now: datetime) -> None:
    """From now on, or since whenever it was."""
    await session.run(REVOKE, of=id, tm_revoke=now, tm_update=now)


async def revoke_all(session: Session, customer_id: UUID, now: datetime) -> None:
    """All of the customer's that still work."""
    await session.run(REVOKE_ALL, of_customer=customer_id, tm_revoke=now, tm_update=now)


async def erase(session: Session, customer_id: UUID) -> None:
    """Leave the customer's keys without a name, and without whence they came."""
    await session.run(ERASE, of_customer=customer_id, name="", source_cidrs=None)


async def any_exist(session: Session) -> bool:
    return await session.one(ANY) is not None


async def used(session: Session, id: UUID, now: datetime, before: datetime) -> None:
    """It was used now, unless it is known to have been used since `before`."""
    await session.run(USED, of=id, tm_last_use=now, before=before)


async def page(
    session: Session,
    customer_id: UUID | None,
    wanted: Mapping[str, Any],
    state: State | None,
    now: datetime,
    cursor: Cursor | None,
    size: int,
) -> Page[AccessKey]:
    """Keys of one customer, or of the platform, newest first, those that have ended too."""
    whose = {} if customer_id is None else {"customer_id": customer_id}
    more = {"now": now} if state in ("expired", "working") else {}
    listing = LISTINGS[state, customer_id is None]
    return await listing.page(session, {**wanted, **whose}, cursor, size, deleted=False, **more)


LISTINGS: Final = {
    (state, of_platform): Listing(
        accesskeys, WHOLE.where(clause, accesskeys.c.customer_id.is_(None) if of_platform else true()), from_row
    )
    for state, clause in IN_STATE.items()
    for of_platform in (False, True)
}
"""By state, and whether they are the platform's own."""
