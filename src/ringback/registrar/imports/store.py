"""SQL of imports."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from ringback.kit.db import Row, Session, Statement
from ringback.registrar.billing import Kind
from ringback.registrar.imports.model import Import, State, Waiting
from ringback.registrar.imports.tables import imports, parts

MOST_ENDING: Final = 100
"""Parts that one transaction drops."""

IS_ONE: Final = imports.c.id == bindparam("of")
IS_OF: Final = parts.c.import_id == bindparam("of")
ADD = Statement(insert(imports), *(column.name for column in imports.columns))
LOCKED = Statement(select(imports).where(IS_ONE).with_for_update())
OF_CUSTOMER = Statement(select(imports).where(imports.c.customer_id == bindparam("of")))
ALL = Statement(select(imports).order_by(imports.c.tm_create))
MOVED = Statement(update(imports).where(IS_ONE), "state", "done", "tm_update")
END = Statement(delete(imports).where(IS_ONE))
ADD_PART = Statement(insert(parts), *(column.name for column in parts.columns))
PART = select(parts.c.line, parts.c.data).limit(1)
NEXT = Statement(
    PART.where(IS_OF, parts.c.action == bindparam("wanted"), parts.c.line > bindparam("done")).order_by(parts.c.line)
)
LAST = Statement(
    PART.where(IS_OF, parts.c.action == "create", parts.c.line <= bindparam("done")).order_by(parts.c.line.desc())
)
CHANGED = Statement(update(parts).where(IS_OF, parts.c.line == bindparam("at")), "line", "data")
LINES = Statement(select(parts.c.line).where(IS_OF).order_by(parts.c.line).limit(MOST_ENDING))
FORGET = Statement(delete(parts).where(IS_OF, parts.c.line <= bindparam("last")))


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


async def add_parts(session: Session, id: UUID, action: str, *some: Sequence[Waiting]) -> None:
    """Keep rows, those of each part to be done together."""
    told = [{"import_id": id, "line": one[-1].line, "action": action, "data": one} for one in some if one]
    await session.run_each(ADD_PART, told)


async def next_part(session: Session, one: Import, action: str) -> list[Waiting]:
    """Rows to go on with, behind those that are done; none if there are none."""
    return _waiting(await session.one(NEXT, of=one.id, wanted=action, done=one.done))


async def last_part(session: Session, one: Import) -> list[Waiting]:
    """Rows whose objects have been made, the last ones of them."""
    return _waiting(await session.one(LAST, of=one.id, done=one.done))


async def shorten(session: Session, one: Import, part: Sequence[Waiting], left: Sequence[Waiting]) -> None:
    """Let some of its rows be the whole part."""
    await session.run(CHANGED, of=one.id, at=part[-1].line, line=left[-1].line, data=left)


async def forget_some(session: Session, one: Import) -> bool:
    """Drop some of its parts, or with the last ones the import itself: then it is over."""
    lines = [row["line"] for row in await session.all(LINES, of=one.id)]
    if lines:
        await session.run(FORGET, of=one.id, last=lines[-1])
    if len(lines) < MOST_ENDING:
        await session.run(END, of=one.id)
        return True
    return False


def _import(row: Row) -> Import:
    return Import(row["id"], row["customer_id"], row["kind"], State(row["state"]), row["done"], row["tm_update"])


def _waiting(part: Row | None) -> list[Waiting]:
    return msgspec.convert(part["data"], list[Waiting]) if part else []
