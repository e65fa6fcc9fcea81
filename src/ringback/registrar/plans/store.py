"""SQL of applies: what was done by plans, so that it can be undone."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, delete, func, insert, select, update

from ringback.kit.db import Row, Session, Statement
from ringback.registrar.plans.model import Apply, Change
from ringback.registrar.tables import applies

COLUMNS: Final = tuple(column.name for column in applies.columns)
IS_OF_CUSTOMER: Final = applies.c.customer_id == bindparam("of_customer")
BELOW: Final = select(applies).where(
    IS_OF_CUSTOMER, applies.c.tm_undo.is_(None), applies.c.number < bindparam("below")
).order_by(applies.c.number.desc()).limit(1)  # fmt: skip
ENDLESS: Final = 2**31 - 1

ADD = Statement(insert(applies), *COLUMNS)
LAST_NUMBER = Statement(select(func.max(applies.c.number).label("number")).where(IS_OF_CUSTOMER))
NEWEST_BELOW = Statement(BELOW)
CHANGE = Statement(update(applies).where(applies.c.id == bindparam("apply_id")), "changes", "tm_undo")
FORGET = Statement(delete(applies).where(IS_OF_CUSTOMER))


def to_row(apply: Apply) -> dict[str, Any]:
    return {name: getattr(apply, name) for name in COLUMNS if name != "changes"} | {
        "changes": msgspec.to_builtins(apply.changes)
    }


def from_row(row: Row) -> Apply:
    return Apply(**{**row, "changes": msgspec.convert(row["changes"], tuple[Change, ...])})


async def next_number(session: Session, customer_id: UUID) -> int:
    row = await session.one(LAST_NUMBER, of_customer=customer_id)
    return int(row["number"] or 0) + 1 if row else 1


async def add(session: Session, apply: Apply) -> None:
    await session.run(ADD, **to_row(apply))


async def newest(session: Session, customer_id: UUID, *, below: int = ENDLESS) -> Apply | None:
    """The newest apply that was not undone, of those with a number `below`."""
    row = await session.one(NEWEST_BELOW, of_customer=customer_id, below=below)
    return from_row(row) if row else None


async def change(session: Session, id: UUID, changes: tuple[Change, ...], tm_undo: datetime | None) -> None:
    await session.run(CHANGE, apply_id=id, changes=msgspec.to_builtins(changes), tm_undo=tm_undo)


async def forget(session: Session, customer_id: UUID) -> None:
    await session.run(FORGET, of_customer=customer_id)
