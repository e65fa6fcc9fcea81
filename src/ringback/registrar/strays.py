"""Since when SIP rows have been seen that are nobody's."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, insert, select

from ringback.kit.db import Statement
from ringback.registrar.tables import strays
from ringback.registrar.work import Uow

Stray = tuple[str, str]
"""(table, id)"""

ADD = Statement(insert(strays), "row_table", "row_id", "tm_create")
ALL: Final = Statement(select(strays))
DROP = Statement(
    delete(strays).where(strays.c.row_table == bindparam("of_table"), strays.c.row_id == bindparam("of_id"))
)


async def young(uow: Uow, rows: set[Stray], before: datetime) -> set[Stray]:
    """Those of the rows that were first seen after `before`, or never until now."""
    since = await _since(uow)
    return {row for row in rows if since.get(row, uow.now) > before}


async def note(uow: Uow, rows: set[Stray], before: datetime) -> set[Stray]:
    """The same, with the new ones noted down, and those forgotten that are somebody's again."""
    since = await _since(uow)
    for table, id in rows - since.keys():
        await uow.session.insert_if_new(ADD, row_table=table, row_id=id, tm_create=uow.now)
    for row in since.keys() - rows:
        await forget(uow, row)
    return {row for row in rows if since.get(row, uow.now) > before}


async def are_noted(uow: Uow) -> bool:
    return bool(await _since(uow))


async def forget(uow: Uow, row: Stray) -> None:
    await uow.session.run(DROP, of_table=row[0], of_id=row[1])


async def _since(uow: Uow) -> dict[Stray, datetime]:
    return {(row["row_table"], row["row_id"]): row["tm_create"] for row in await uow.session.all(ALL)}
