"""SQL of imports."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update

from ringback.kit.db import Row, Session, Statement
from ringback.registrar.billing import Kind
from ringback.registrar.imports.model import Import, State
from ringback.registrar.imports.tables import imports, rows

BATCH: Final = 100
"""Rows that one transaction may change or undo."""
MOST_ENDING: Final = 500

IS_ONE: Final = imports.c.id == bindparam("of")
IS_OF: Final = rows.c.import_id == bindparam("of")
ADD = Statement(insert(imports), *(column.name for column in imports.columns))
LOCKED = Statement(select(imports).where(IS_ONE).with_for_update())
OF_CUSTOMER = Statement(select(imports).where(imports.c.customer_id == bindparam("of")))
ALL = Statement(select(imports).order_by(imports.c.tm_create))
MOVED = Statement(update(imports).where(IS_ONE), "state", "done", "tm_update")
END = Statement(delete(imports).where(IS_ONE))
ADD_ROW = Statement(insert(rows), *(column.name for column in rows.columns))
NEXT = Statement(
    select(rows)
    .where(IS_OF, rows.c.action == bindparam("wanted"), rows.c.line > bindparam("done"))
    .order_by(rows.c.line)
    .limit(bindparam("size"))
)
LAST = Statement(
    select(rows)
    .where(IS_OF, rows.c.action == "create", rows.c.line <= bindparam("done"))
    .order_by(rows.c.line.desc())
    .limit(BATCH)
)
LINES = Statement(select(rows.c.line).where(IS_OF).order_by(rows.c.line).limit(MOST_ENDING))
FORGET = Statement(delete(rows).where(IS_OF, rows.c.line <= bindparam("last")))


async def add_if_new(session: Session, one: Import) -> bool:
    """Whether it is the customer's only one of its kind."""
    values = {"id": one.id, "customer_id": one.customer_id, "kind": one.kind, "tm_create": one.tm_update}
    return await session.insert_if_new(ADD, **values, state=one.state.value, done=one.done, tm_update=one.tm_update)


async def locked(session: Session, id: UUID) -> Import | None:
    row = await session.one(LOCKED, of=id)
    return _import(row) if row else None


async def of_customer(session: Session, customer_id: UUID, kind: Kind) -> Import | None:
    found = [_import(row) for row in await session.all(OF_CUSTOMER, of=customer_id)]
    return next((one for one in found if one.kind == kind), None)


async def all_of_them(session: Session) -> list[Import]:
    """Those that are not finished, the oldest first."""
    return [_import(row) for row in await session.all(ALL)]


async def move(session: Session, one: Import, state: State, done: int, now: datetime) -> Import:
    """Note how far a locked import is."""
    await session.run(MOVED, of=one.id, state=state.value, done=done, tm_update=now)
    return replace(one, state=state, done=done, tm_update=now)


async def add_rows(session: Session, some: Sequence[Row]) -> None:
    await session.run_each(ADD_ROW, some)


async def next_rows(session: Session, one: Import, action: str, most: int) -> list[Row]:
    """Some rows to go on with, behind those that are done."""
    return await session.all(NEXT, of=one.id, wanted=action, done=one.done, size=most)


async def last_rows(session: Session, one: Import) -> list[Row]:
    """Some rows whose objects have been made, the last one first."""
    return await session.all(LAST, of=one.id, done=one.done)


async def forget_some(session: Session, one: Import) -> bool:
    """Drop some of its rows, or with the last ones the import itself: then it is over."""
    lines = [row["line"] for row in await session.all(LINES, of=one.id)]
    if lines:
        await session.run(FORGET, of=one.id, last=lines[-1])
    if len(lines) < MOST_ENDING:
        await session.run(END, of=one.id)
        return True
    return False


def _import(row: Row) -> Import:
    return Import(row["id"], row["customer_id"], row["kind"], State(row["state"]), row["done"], row["tm_update"])
