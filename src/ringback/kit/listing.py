"""Lists out of the database: pages of one table, newest first, of what lives or of what is gone."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Generic, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, Table, and_, bindparam, false, func, or_, select, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

from ringback.kit.db import Row, Session, Statement
from ringback.kit.pages import Cursor, Page


class Dated(Protocol):
    """What a list is made of."""

    @property
    def id(self) -> UUID: ...

    @property
    def tm_create(self) -> datetime: ...


T = TypeVar("T", bound=Dated)

STEP: Final = timedelta(microseconds=1)


class Same(FunctionElement[Any]):
    """A column and a text that are the same to the letter, whatever the column's collation takes for equal."""

    type = NullType()  # a Boolean would be compared with 1 again, which finds no index
    inherit_cache = True


@compiles(Same)
def _same(element: Same, compiler: SQLCompiler, **more: Any) -> str:
    column, text = (compiler.process(clause, **more) for clause in element.clauses)
    return f"{column} = {text}"


@compiles(Same, "mysql")
def _same_bytes(element: Same, compiler: SQLCompiler, **more: Any) -> str:
    """The first comparison finds an index."""
    equal = _same(element, compiler, **more)
    column, text = (compiler.process(clause, **more) for clause in element.clauses)
    return f"({equal} AND CAST(CONVERT({column} USING utf8mb4) AS BINARY) = CAST({text} AS BINARY))"


class Listing(Generic[T]):
    """The rows of `table` as `whole` selects them; `of` makes an object of a row. Without `tm_delete` all of them live.

    `wanted` is everywhere a mapping of column names to the values that they must equal; of a page they may be columns
    of other tables that `whole` selects.
    """

    def __init__(self, table: Table, whole: Select[Any], of: Callable[[Row], T]) -> None:
        self._table = table
        self._whole = whole
        self._of = of
        self._more = whole.selected_columns
        self._order = (table.c.tm_create.desc(), table.c.id.desc())
        self._paging = lru_cache(maxsize=None)(self._page_statement)
        self._moment = lru_cache(maxsize=None)(self._moment_statement)
        self._newest = lru_cache(maxsize=None)(self._newest_statement)
        self._count = lru_cache(maxsize=None)(self._count_statement)
        self._ids = lru_cache(maxsize=None)(self._ids_statement)
        self._behind = Statement(self._in_order(whole))

    async def page(
        self,
        session: Session,
        wanted: Mapping[str, Any],
        cursor: Cursor | None,
        size: int,
        *,
        deleted: bool,
        **more: Any,
    ) -> Page[T]:
        """One page of what is older than `cursor`, with the place where the next one starts.

        `more` are values that `whole` itself asks for.
        """
        items = await self._some(session, wanted, cursor, size + 1, deleted=deleted, **more)
        return _page(items, size)

    async def whole_moments(
        self, session: Session, wanted: Mapping[str, Any], cursor: Cursor | None, size: int, *, deleted: bool
    ) -> list[T]:
        """One page for a caller who goes on from the last `tm_create`: all rows of that moment are in it."""
        items = await self._some(session, wanted, cursor, size + 1, deleted=deleted)
        found = _page(items, size)
        if not found.next or (cursor and cursor.id) or items[size].tm_create != found.next.before:
            return list(found.items)
        statement = self._moment(tuple(sorted(wanted)), deleted)
        rest = await session.all(statement, moment=found.next.before, below=found.next.id, **_values(wanted))
        return [*found.items, *(self._of(row) for row in rest)]

    async def _some(
        self,
        session: Session,
        wanted: Mapping[str, Any],
        cursor: Cursor | None,
        size: int,
        *,
        deleted: bool,
        **more: Any,
    ) -> list[T]:
        values = _values(wanted) | more
        if cursor:
            values |= {"before": cursor.before} | ({"below": cursor.id} if cursor.id else {})
        statement = self._paging(tuple(sorted(wanted)), deleted, bool(cursor), bool(cursor and cursor.id))
        return [self._of(row) for row in await session.all(statement, size=size, **values)]

    async def count(self, session: Session, wanted: Mapping[str, Any]) -> int:
        """How many live."""
        row = await session.one(self._count(tuple(sorted(wanted))), **_values(wanted))
        return int(row["count"]) if row else 0

    async def behind(self, session: Session, id: UUID, size: int) -> list[T]:
        """Up to `size` of all that live, by id, behind `id`."""
        return [self._of(row) for row in await session.all(self._behind, after=id, size=size)]

    async def ids(self, session: Session, wanted: Mapping[str, Any], after: UUID, size: int) -> list[UUID]:
        """Ids of up to `size` that live, in order, behind `after`; no row is read any further."""
        rows = await session.all(self._ids(tuple(sorted(wanted))), after=after, size=size, **_values(wanted))
        return [row["id"] for row in rows]

    async def own_moment(self, session: Session, wanted: Mapping[str, Any], now: datetime) -> datetime:
        """Now, or a microsecond after the newest of them, the deleted ones included: so pages never tie."""
        row = await session.one(self._newest(tuple(sorted(wanted))), **_values(wanted))
        return max(now, row["tm_create"] + STEP) if row else now

    def _equal(self, names: tuple[str, ...]) -> list[Any]:
        found = self._table.c
        return [self._equals(found[name] if name in found else self._more[name], f"is_{name}") for name in names]

    def _equals(self, column: ColumnElement[Any], name: str) -> Any:
        bind = bindparam(name, type_=column.type)
        return Same(column, bind) if isinstance(column.type, String) else column == bind

    def _state(self, *, deleted: bool = False) -> ColumnElement[bool]:
        gone = self._table.c.get("tm_delete")
        if gone is None:
            return false() if deleted else true()
        return gone.is_not(None) if deleted else gone.is_(None)

    def _filtered(self, names: tuple[str, ...], deleted: bool) -> Select[Any]:
        return self._whole.where(self._state(deleted=deleted), *self._equal(names)).order_by(*self._order)

    def _older_in_moment(self, moment: str) -> Any:
        return and_(self._table.c.tm_create == bindparam(moment), self._table.c.id < bindparam("below"))

    def _page_statement(self, names: tuple[str, ...], deleted: bool, before: bool, below: bool) -> Statement:
        statement = self._filtered(names, deleted)
        older = self._table.c.tm_create < bindparam("before")
        if below:
            statement = statement.where(or_(older, self._older_in_moment("before")))
        elif before:
            statement = statement.where(older)
        if before and (index := self._index_of_pages(names)):
            statement = statement.with_hint(self._table, f"FORCE INDEX ({index})", "mysql")
        return Statement(statement.limit(bindparam("size")))

    def _index_of_pages(self, names: tuple[str, ...]) -> str | None:
        """The index that has these rows in the order of the pages, where they are asked for by nothing else.

        By itself MariaDB would go to the first row there, and on through all that are newer than the page.
        """
        if self._whole.whereclause is not None:
            return None
        order = [*names, "tm_create", "id"]
        found = (index for index in self._table.indexes if [column.name for column in index.columns] == order)
        return next((str(index.name) for index in found), None)

    def _moment_statement(self, names: tuple[str, ...], deleted: bool) -> Statement:
        return Statement(self._filtered(names, deleted).where(self._older_in_moment("moment")))

    def _in_order(self, core: Select[Any]) -> Select[Any]:
        """The next of `core` that live, by id."""
        id = self._table.c.id
        living = core.where(self._state(), id > bindparam("after"))
        return living.order_by(id).limit(bindparam("size"))

    def _count_statement(self, names: tuple[str, ...]) -> Statement:
        living = (self._state(), *self._equal(names))
        return Statement(select(func.count().label("count")).where(*living))

    def _ids_statement(self, names: tuple[str, ...]) -> Statement:
        return Statement(self._in_order(select(self._table.c.id).where(*self._equal(names))))

    def _newest_statement(self, names: tuple[str, ...]) -> Statement:
        made = select(self._table.c.tm_create).where(*self._equal(names), self._table.c.tm_create.is_not(None))
        return Statement(made.order_by(*self._order).limit(1))


def _page(items: list[T], size: int) -> Page[T]:
    """The first ones, of one more than there is room for, if there are so many."""
    last = items[size - 1] if len(items) > size else None
    return Page(items[:size], Cursor(last.tm_create, last.id) if last else None)


def _values(wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {f"is_{name}": value for name, value in wanted.items()}
