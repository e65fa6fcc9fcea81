"""SQL of access keys."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CHAR, Column, Index, MetaData, String, Table, bindparam, insert, select, update

from ringback.customers.keys.model import AccessKey
from ringback.kit.columns import Id, Json, Time
from ringback.kit.db import CHUNK, OWN, Row, Session, Statement

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
)

COLUMNS: Final = (
    "id", "customer_id", "name", "token_hash", "token_prefix", "roles", "tm_create", "tm_expire", "tm_revoke",
)  # fmt: skip
WHOLE: Final = select(*(accesskeys.c[name] for name in COLUMNS)).where(accesskeys.c.tm_delete.is_(None))
IN_ORDER: Final = WHOLE.where(accesskeys.c.id > bindparam("after")).order_by(accesskeys.c.id).limit(CHUNK)

ADD = Statement(insert(accesskeys), *COLUMNS)
BY_HASH = Statement(WHOLE.where(accesskeys.c.token_hash == bindparam("hash")))
BY_ID = Statement(WHOLE.where(accesskeys.c.id == bindparam("of")))
BY_PREFIX = Statement(WHOLE.where(accesskeys.c.token_prefix == bindparam("prefix")))
BEHIND = Statement(IN_ORDER.where(accesskeys.c.tm_revoke.is_(None)))
ALL_BEHIND = Statement(IN_ORDER)
REVOKE = Statement(
    update(accesskeys).where(accesskeys.c.id == bindparam("of"), accesskeys.c.tm_revoke.is_(None)),
    "tm_revoke",
    "tm_update",
)
ANY = Statement(select(accesskeys.c.id).limit(1))


def to_row(key: AccessKey) -> dict[str, Any]:
    return {name: getattr(key, name) for name in COLUMNS}


def from_row(row: Row) -> AccessKey:
    return AccessKey(**{**row, "roles": tuple(row["roles"])})


async def add(session: Session, key: AccessKey) -> None:
    await session.run(ADD, **to_row(key))


async def by_hash(session: Session, hash: str) -> AccessKey | None:
    row = await session.one(BY_HASH, hash=hash)
    return from_row(row) if row else None


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


async def any_exist(session: Session) -> bool:
    return await session.one(ANY) is not None
