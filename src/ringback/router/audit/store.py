"""SQL of the audit log."""

from typing import Any, Final

from sqlalchemy import bindparam, func, insert, select

from ringback.kit.db import Row, Session, Statement
from ringback.router.audit.model import Entry
from ringback.router.tables import audit_log

PAGE: Final = 100
"""Rows of one read of the whole log: making them holds the loop for a millisecond."""
COLUMNS: Final = tuple(column.name for column in audit_log.columns)
WHOLE: Final = select(audit_log)

ADD = Statement(insert(audit_log), *COLUMNS)
BEHIND = Statement(WHOLE.where(audit_log.c.id > bindparam("after")).order_by(audit_log.c.id).limit(PAGE))
HASH_OF = Statement(select(audit_log.c.hash).where(audit_log.c.id == bindparam("of")))
BEFORE: Final = (
    WHOLE.where(audit_log.c.id < bindparam("before")).order_by(audit_log.c.id.desc()).limit(bindparam("size"))
)
LATEST = Statement(BEFORE)
LATEST_OF = Statement(BEFORE.where(audit_log.c.extension_id == bindparam("of")))

LAST: Final = (
    select(audit_log.c.extension_id, func.max(audit_log.c.id).label("id"))
    .where(audit_log.c.entity == bindparam("entity"), audit_log.c.extension_id > bindparam("after"))
    .group_by(audit_log.c.extension_id)
    .order_by(audit_log.c.extension_id)
    .limit(PAGE)
    .subquery()
)
NEWEST_OF_EACH = Statement(WHOLE.join(LAST, LAST.c.id == audit_log.c.id).order_by(audit_log.c.extension_id))


def from_row(row: Row) -> Entry:
    return Entry(**{name: row[name] for name in COLUMNS})


async def add(session: Session, entry: Entry) -> None:
    await session.run(ADD, **{name: getattr(entry, name) for name in COLUMNS})


async def behind(session: Session, id: int) -> list[Row]:
    """Some rows behind `id`, in order; none at the end."""
    return await session.all(BEHIND, after=id)


async def hash_of(session: Session, id: int) -> str | None:
    """The hash of an entry, where there is one of that id."""
    row = await session.one(HASH_OF, of=id)
    return str(row["hash"]) if row else None


async def latest(session: Session, of: str | None, before: int, size: int) -> list[Entry]:
    """Up to `size` entries before that id, newest first; with `of`, only those of that extension."""
    narrow: dict[str, Any] = {"of": of} if of is not None else {}
    found = await session.all(LATEST_OF if narrow else LATEST, before=before, size=size, **narrow)
    return [from_row(row) for row in found]


async def newest_of_each(session: Session, entity: str, after: str) -> list[Entry]:
    """The newest entry of some of that kind, by key, behind the key `after`; none at the end."""
    return [from_row(row) for row in await session.all(NEWEST_OF_EACH, entity=entity, after=after)]
