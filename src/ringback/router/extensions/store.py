"""SQL of router extensions and their revisions."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, insert, select, update

from ringback.kit.db import Duplicate, Row, Session, Statement, among
from ringback.router.extensions.model import ExtensionExists, RouterExtension, SubjectInUse
from ringback.router.tables import extensions, revisions
from ringback.router.tables import health as counted

PAGE: Final = 100
"""Rows of one read: making them holds the loop for two milliseconds."""
COLUMNS: Final = tuple(column.name for column in extensions.columns if column.name != "subject_key")
WHOLE: Final = select(*(extensions.c[name] for name in COLUMNS))
IS_ONE: Final = extensions.c.id == bindparam("extension_id")

ADD = Statement(insert(extensions), *COLUMNS)
CHANGE = Statement(update(extensions).where(IS_ONE), *(name for name in COLUMNS if name != "id"))
ONE = Statement(WHOLE.where(IS_ONE))
LOCKED = Statement(WHOLE.where(IS_ONE).with_for_update())
BEHIND = Statement(WHOLE.where(extensions.c.id > bindparam("after")).order_by(extensions.c.id).limit(PAGE))

DELETED = Statement(
    select(extensions.c.id).where(extensions.c.deleted_at < bindparam("moment")).order_by(extensions.c.id)
)
FORGET_COUNTS = Statement(delete(counted).where(counted.c.extension_id == bindparam("of")))
FORGET_ROW = Statement(delete(extensions).where(extensions.c.id == bindparam("of")))
FORGET_REVISIONS = Statement(delete(revisions).where(revisions.c.extension_id == bindparam("of")))

HEALTH = Statement(select(counted).order_by(counted.c.extension_id, counted.c.node_id))
HEALTH_AMONG = Statement(select(counted).where(among(counted.c.extension_id, "ids")).order_by(counted.c.node_id))
HEALTH_OF = Statement(select(counted).where(counted.c.extension_id == bindparam("of")).order_by(counted.c.node_id))

ADD_REVISION = Statement(insert(revisions), *(column.name for column in revisions.columns))
IS_REVISION_OF: Final = revisions.c.extension_id == bindparam("of")
REVISION = Statement(select(revisions).where(IS_REVISION_OF, revisions.c.revision == bindparam("number")))
REVISIONS = Statement(
    select(revisions)
    .where(IS_REVISION_OF, revisions.c.revision < bindparam("before"))
    .order_by(revisions.c.revision.desc())
    .limit(bindparam("size"))
)
SINCE = Statement(
    select(revisions)
    .where(revisions.c.registry_revision > bindparam("after"), revisions.c.registry_revision <= bindparam("upto"))
    .order_by(revisions.c.registry_revision, revisions.c.extension_id)
)
LATEST: Final = (
    select(revisions.c.extension_id, func.max(revisions.c.revision).label("revision"))
    .where(revisions.c.extension_id > bindparam("after"))
    .group_by(revisions.c.extension_id)
    .order_by(revisions.c.extension_id)
    .limit(PAGE)
    .subquery()
)
NEWEST = Statement(
    select(revisions)
    .join(LATEST, (LATEST.c.extension_id == revisions.c.extension_id) & (LATEST.c.revision == revisions.c.revision))
    .order_by(revisions.c.extension_id)
)


def to_row(record: RouterExtension) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in COLUMNS}
    return {**row, "config": dict(record.config), "metadata": dict(record.metadata)}


def from_row(row: Row) -> RouterExtension:
    return RouterExtension(**{name: row[name] for name in COLUMNS})


async def put(session: Session, record: RouterExtension, *, new: bool) -> None:
    """Write a record. `ExtensionExists` or `SubjectInUse` where another one has its id or its subject."""
    row = to_row(record)
    try:
        if new:
            await session.run(ADD, **row)
        else:
            await session.run(CHANGE, extension_id=record.id, **{name: row[name] for name in CHANGE.columns})
    except Duplicate as clash:
        if clash.rule == "id":
            raise ExtensionExists(id="is taken") from None
        raise SubjectInUse(subject="is that of another enabled extension") from None


async def deleted_before(session: Session, moment: datetime) -> list[str]:
    """Ids of those that were deleted before that."""
    return [row["id"] for row in await session.all(DELETED, moment=moment)]


async def forget(session: Session, id: str) -> None:
    """Remove its counts, its row and all its revisions; of the audit log nothing ever is."""
    for statement in (FORGET_COUNTS, FORGET_ROW, FORGET_REVISIONS):
        await session.run(statement, of=id)


async def one(session: Session, id: str, *, lock: bool = False) -> Row | None:
    """Its row as it stands, also that of a deleted one."""
    return await session.one(LOCKED if lock else ONE, extension_id=id)


async def pages(session: Session) -> AsyncIterator[list[Row]]:
    """All rows by id, deleted ones included, a page at a time; others have their turn after each."""
    after = ""
    while page := await session.all(BEHIND, after=after):
        yield page
        after = page[-1]["id"]
        await asyncio.sleep(0)


async def newest(session: Session) -> AsyncIterator[Row]:
    """The last revision of every extension there ever was, by id."""
    after = ""
    while page := await session.all(NEWEST, after=after):
        for row in page:
            yield row
        after = page[-1]["extension_id"]
        await asyncio.sleep(0)


async def last_revision(session: Session, id: str) -> Row | None:
    """The newest revision of an extension."""
    found = await session.all(REVISIONS, of=id, before=1 << 62, size=1)
    return found[0] if found else None
