"""Statements compiled once per engine and run on the driver, and what a database must be able to do."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Dialect, Executable, MetaData, Select
from sqlalchemy.sql.compiler import SQLCompiler

from ringback.kit.errors import Unavailable

Row = Mapping[str, Any]
Convert = Callable[[Any], Any]

OWN: Final = "own"
"""The schema of our own tables in a table's definition."""
ASTERISK: Final = "asterisk"
"""The schema of the tables that Asterisk reads; on SQLite both are the one file."""


class Duplicate(Exception):
    """A row would stand twice. `rule` is the unique rule it broke, without prefix and table: `number`, `hash`, `id`."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"duplicate by the rule {rule!r}")


class StillRead(Unavailable):
    """Other programs read the database, so what was overwritten is still in its files; stop them and try again."""

    reason = "DATABASE_STILL_READ"


class Conflict(Exception):
    """Another transaction was in the way (a deadlock, a serialization failure); running the verb again may do."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement in one engine's words: its text, how to bind each value, how to read each column."""

    sql: str
    literals: Mapping[str, Any]
    binds: tuple[tuple[str, Convert | None], ...]
    columns: tuple[tuple[str, Convert | None], ...]

    def parameters(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        given = {**self.literals, **values}
        return tuple(convert(given[name]) if convert else given[name] for name, convert in self.binds)

    def row(self, raw: tuple[Any, ...]) -> Row:
        return {
            name: convert(value) if convert else value for (name, convert), value in zip(self.columns, raw, strict=True)
        }


class Statement:
    """A Core statement; `columns` names what an INSERT or UPDATE sets."""

    def __init__(self, core: Executable, *columns: str) -> None:
        self.core = core
        self.columns = columns
        self._prepared: dict[str, Prepared] = {}

    def prepared(self, dialect: Dialect, schemas: Mapping[str, str | None]) -> Prepared:
        if dialect.name not in self._prepared:
            self._prepared[dialect.name] = self._compile(dialect, schemas)
        return self._prepared[dialect.name]

    def _compile(self, dialect: Dialect, schemas: Mapping[str, str | None]) -> Prepared:
        compiled = self.core.compile(  # type: ignore[attr-defined]
            dialect=dialect,
            column_keys=list(self.columns) or None,
            schema_translate_map=schemas,
            render_schema_translate=True,
        )
        assert isinstance(compiled, SQLCompiler)
        converts = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect) for bind, name in compiled.bind_names.items()
        }
        names = compiled.positiontup or ()
        given = set(self.columns)
        literals = {name: value for name, value in compiled.params.items() if name not in given and value is not None}
        columns = self.core.selected_columns if isinstance(self.core, Select) else ()
        return Prepared(
            sql=str(compiled),
            literals=literals,
            binds=tuple((name, converts.get(name)) for name in names),
            columns=tuple(
                (column.key or "", column.type.dialect_impl(dialect).result_processor(dialect, None))
                for column in columns
            ),
        )

    def __repr__(self) -> str:
        return " ".join(str(self.core).split())


class Session(Protocol):
    """One unit of talk with the database. It begins at the first statement and not before."""

    async def run(self, statement: Statement, **values: object) -> int:
        """The number of rows touched (0 on MariaDB for a row that did not change: never read it as "not found")."""

    async def insert_if_new(self, statement: Statement, **values: object) -> bool:
        """Whether the row is new; the transaction goes on either way."""

    async def one(self, statement: Statement, **values: object) -> Row | None: ...

    async def all(self, statement: Statement, **values: object) -> list[Row]: ...

    async def commit(self) -> None: ...

    async def rollback(self) -> None: ...


class Database(Protocol):
    """Where sessions come from."""

    def session(self, *, writes: bool, deadline: float) -> Session:
        """A session that gives up at `deadline` (of the running loop's clock) with `DatabaseUnavailable`."""

    def revision(self) -> int:
        """A number that is another one after anybody's commit; what was cached under the old one may be stale."""

    async def compact(self) -> None:
        """Leave nothing in its files of what was deleted or overwritten; `StillRead` when others are in the way."""

    def close(self) -> None: ...


def unique_rules(*metadatas: MetaData) -> Iterator[tuple[str, frozenset[str], str]]:
    """(table, its columns, rule) for every unique rule of the tables; the rule of a primary key is `id`."""
    for metadata in metadatas:
        for table in metadata.tables.values():
            yield table.name, frozenset(column.name for column in table.primary_key), "id"
            for index in table.indexes:
                if index.unique:
                    columns = frozenset(column.name for column in index.columns)
                    yield table.name, columns, rule_name(table.name, str(index.name))


def rule_name(table: str, index: str) -> str:
    """`ux_shelves_number` of the table `shelves` → `number`."""
    return re.sub(rf"^(ux|idx)_{re.escape(table)}_", "", index)
