"""Rows of what is no more, made to say nothing: only that they were, and when, is kept of them."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, bindparam, select, update

from ringback.kit.db import CHUNK, Session, Statement, among


class Erasing:
    """Empties the rows of `table` that have ended, for whoever the column `owner` names; it may be done again."""

    def __init__(self, table: Table, owner: str, texts: tuple[str, ...], more: dict[str, Any]) -> None:
        """Columns of `texts` become empty, and those of `more` what it says."""
        row, self._empty = table.c, dict.fromkeys(texts, "") | more
        ended = (row[owner] == bindparam("owner"), row.tm_delete.is_not(None), row.id > bindparam("after"))
        self._find: Final = Statement(select(row.id).where(*ended).order_by(row.id).limit(CHUNK))
        self._erase: Final = Statement(update(table).where(among(row.id, "ids")), *self._empty)

    async def some(self, session: Session, owner: UUID, after: UUID) -> UUID | None:
        """Some of them, behind `after` by id: the id of the last one, or `None` when there is none any more."""
        ids = [row["id"] for row in await session.all(self._find, owner=owner, after=after)]
        if not ids:
            return None
        await session.run(self._erase, **self._empty, ids=ids)
        last: UUID = ids[-1]
        return last
