"""SQL that reads the audit log; `kit/audit.py` writes it."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, select

from ringback.kit.audit import entries
from ringback.kit.db import Row, Session, Statement

IS: Final[Mapping[str, ColumnElement[bool]]] = {
    **{name: entries.c[name] == bindparam(name) for name in ("customer_id", "object_id", "kind", "actor", "action")},
    "since": entries.c.tm >= bindparam("since"),
    "until": entries.c.tm < bindparam("until"),
}
"""Filters of a list."""
ONE = Statement(select(entries).where(entries.c.id == bindparam("of")))


async def newest(session: Session, wanted: Mapping[str, Any], before: int, size: int) -> list[Row]:
    """Up to `size` entries below that number, newest first."""
    return await session.all(_finding(tuple(sorted(wanted))), **wanted, before=before, size=size)


async def one(session: Session, id: int) -> Row | None:
    return await session.one(ONE, of=id)


@cache
def _finding(names: tuple[str, ...]) -> Statement:
    return Statement(
        select(entries)
        .where(entries.c.id < bindparam("before"), *(IS[name] for name in names))
        .order_by(entries.c.id.desc())
        .limit(bindparam("size"))
    )
