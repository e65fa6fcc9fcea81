"""SQL of direct addresses."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, insert, select, update

from ringback.kit.db import Row, Session, Statement
from ringback.kit.lookups import Lookup
from ringback.registrar.directs.model import Direct
from ringback.registrar.realms.model import Status
from ringback.registrar.tables import addresses_view, customers, direct_hashes, directs, extensions

COLUMNS: Final = tuple(column.name for column in directs.columns)
ISSUE = Statement(insert(direct_hashes), "hash", "direct_id", "tm_create")
REVOKE = Statement(update(direct_hashes).where(direct_hashes.c.hash == bindparam("of_hash")), "tm_revoke")
ADD = Statement(insert(directs), *COLUMNS)
RENEW = Statement(update(directs).where(directs.c.id == bindparam("direct_id")), "hash", "tm_update")
END = Statement(update(directs).where(directs.c.id == bindparam("direct_id")), "tm_update", "tm_delete")
OF_EXTENSION = Statement(
    select(directs)
    .where(directs.c.extension_id == bindparam("extension_id"), directs.c.tm_delete.is_(None))
    .with_for_update()
)
REACHABLE = Lookup(
    select(directs)
    .join(extensions, extensions.c.id == directs.c.extension_id)
    .outerjoin(customers, customers.c.customer_id == directs.c.customer_id)
    .where(
        directs.c.tm_delete.is_(None),
        extensions.c.tm_delete.is_(None),
        customers.c.status.is_(None) | (customers.c.status == Status.ACTIVE.value),
    ),
    directs.c.hash,
    "hash",
)
RUNG = Statement(
    select(addresses_view.c.endpoint).where(
        addresses_view.c.hash == bindparam("hash"), addresses_view.c.status == Status.ACTIVE.value
    )
)


def to_row(direct: Direct) -> dict[str, Any]:
    return {name: getattr(direct, name) for name in COLUMNS}


def from_row(row: Row) -> Direct:
    return Direct(**row)


async def issue(session: Session, hash: str, direct_id: UUID, now: datetime) -> bool:
    """Note the hash as used for ever; whether it never was before."""
    return await session.insert_if_new(ISSUE, hash=hash, direct_id=direct_id, tm_create=now)


async def revoke(session: Session, hash: str, now: datetime) -> None:
    await session.run(REVOKE, of_hash=hash, tm_revoke=now)


async def add(session: Session, direct: Direct) -> None:
    await session.run(ADD, **to_row(direct))


async def renew(session: Session, direct: Direct) -> None:
    await session.run(RENEW, direct_id=direct.id, hash=direct.hash, tm_update=direct.tm_update)


async def end(session: Session, direct: Direct) -> None:
    await session.run(END, direct_id=direct.id, tm_update=direct.tm_update, tm_delete=direct.tm_delete)


async def of_extension(session: Session, extension_id: UUID) -> Direct | None:
    """The extension's live direct, locked."""
    row = await session.one(OF_EXTENSION, extension_id=extension_id)
    return from_row(row) if row else None


async def reachable(session: Session, hash: str) -> Direct | None:
    """The live direct of that hash, if its extension lives and its customer is active."""
    row = await session.one(REACHABLE, hash=hash)
    return from_row(row) if row else None


async def rung(session: Session, hash: str) -> str | None:
    """The endpoint that Asterisk rings for a hash, as its dialplan reads it; `None` where it is refused."""
    row = await session.one(RUNG, hash=hash)
    return str(row["endpoint"]) if row else None


async def find(session: Session, wanted: Mapping[str, Any], *, deleted: bool) -> list[Direct]:
    """Directs whose columns equal `wanted`, newest first."""
    rows: list[Row] = await session.all(_finding(tuple(sorted(wanted)), deleted), **wanted)
    return [from_row(row) for row in rows]


@cache
def _finding(names: tuple[str, ...], deleted: bool) -> Statement:
    conditions = [directs.c[name] == bindparam(name) for name in names]
    state = directs.c.tm_delete.is_not(None) if deleted else directs.c.tm_delete.is_(None)
    return Statement(
        select(directs).where(*conditions, state).order_by(directs.c.tm_create.desc(), directs.c.id.desc())
    )
