"""Statements compiled once per engine and run on the driver, and what a database must be able to do."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, NamedTuple, Protocol

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Dialect,
    Executable,
    Insert,
    MetaData,
    Select,
    Table,
    bindparam,
    null,
)
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler

from ringback.kit.columns import reader, writer
from ringback.kit.errors import Unavailable

Row = Mapping[str, Any]
Convert = Callable[[Any], Any]

OWN: Final = "own"
"""The schema of our own tables in a table's definition."""
FEW: Final = 100
"""Rows that one transaction makes where all others wait for it."""
CHUNK: Final = 500
"""Rows of one read, and values of one IN."""
NO_VALUES: Final[Mapping[str, Any]] = {}
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


class Refused(Exception):
    """The database cannot do what a statement says, however often: its text has the engine's code, and no value."""

    def __str__(self) -> str:
        return f"the database refuses a statement: {super().__str__()}"


class Absent(Refused):
    """It speaks of a table or a view that is not there."""


class Schemas(NamedTuple):
    """Where our own tables and Asterisk's are: databases of MariaDB, schemas of PostgreSQL."""

    own: str
    asterisk: str

    def named(self) -> dict[str, str | None]:
        return {OWN: self.own, ASTERISK: self.asterisk}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement in one engine's words: its text, how to bind each value, how to read what the driver gives."""

    sql: str
    literals: Mapping[str, Any]
    binds: tuple[tuple[str, Convert | None], ...]
    rows: Callable[[Sequence[tuple[Any, ...]]], list[Row]]
    sizes: Mapping[str, int]
    """How many values there is room for in each list; the last one is repeated."""

    def parameters(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        given = {**self.literals, **values} if self.literals else values
        for name, size in self.sizes.items():
            last = len(values[name]) - 1
            given = {**given, **{f"{name}_{place}": values[name][min(place, last)] for place in range(size)}}
        return tuple([convert(given[name]) if convert else given[name] for name, convert in self.binds])


class Statement:
    """A Core statement; `columns` names what an INSERT or UPDATE sets."""

    def __init__(self, core: Executable, *columns: str) -> None:
        self.core = core
        self.columns = columns
        self._prepared: dict[tuple[object, ...], Prepared] = {}

    @cached_property
    def tables(self) -> frozenset[Table]:
        """The tables it speaks of."""
        parts = list(visitors.iterate(self.core))  # type: ignore[arg-type]
        owners = [part.table if isinstance(part, Column) else part for part in parts]
        return frozenset(owner for owner in owners if isinstance(owner, Table))

    @cached_property
    def place(self) -> str:
        """`OWN` or `ASTERISK`: whose tables it speaks of; never both, as they may be on two servers."""
        places = {table.schema for table in self.tables}
        assert places in ({OWN}, {ASTERISK}), f"{self!r} speaks of {places}"
        return OWN if places == {OWN} else ASTERISK

    @cached_property
    def lists(self) -> tuple[str, ...]:
        """What its lists of values are called (`among`)."""
        parts = visitors.iterate(self.core)  # type: ignore[arg-type]
        return tuple({part.key: None for part in parts if isinstance(part, BindParameter) and part.expanding})

    @cached_property
    def counts_ids(self) -> bool:
        """Whether it makes rows with ids that the server counts up."""
        return isinstance(self.core, Insert) and any(column.autoincrement is True for column in self.core.table.columns)

    def prepared(self, dialect: Dialect, schemas: Schemas, values: Mapping[str, Any] = NO_VALUES) -> Prepared:
        """It with room for the lists of these values."""
        sizes = {name: room(values[name]) for name in self.lists} if self.lists else NO_VALUES
        key = (dialect.name, schemas, *sizes.values())
        if key not in self._prepared:
            self._prepared[key] = self._compile(dialect, schemas, sizes)
        return self._prepared[key]

    def _compile(self, dialect: Dialect, schemas: Schemas, sizes: Mapping[str, int]) -> Prepared:
        core = self.core.inline() if isinstance(self.core, Insert) else self.core  # nobody asks for the new key
        if sizes:
            core = visitors.replacement_traverse(core, {}, partial(_in_places, sizes))  # type: ignore[call-overload]
        compiled = core.compile(  # type: ignore[attr-defined]
            dialect=dialect,
            column_keys=list(self.columns) or None,
            schema_translate_map=schemas.named(),
            render_schema_translate=True,
        )
        assert isinstance(compiled, SQLCompiler)
        converts = {name: writer(bind.type, dialect) for bind, name in compiled.bind_names.items()}
        names = compiled.positiontup or ()
        given = set(self.columns)
        literals = {name: value for name, value in compiled.params.items() if name not in given and value is not None}
        columns = self.core.selected_columns if isinstance(self.core, Select) else ()
        return Prepared(
            sql=str(compiled),
            literals=literals,
            binds=tuple((name, converts.get(name)) for name in names),
            rows=_rows([(column.key or "", reader(column.type, dialect)) for column in columns]),
            sizes=sizes,
        )

    def __repr__(self) -> str:
        return " ".join(str(self.core).split())


def _rows(columns: Sequence[tuple[str, Convert | None]]) -> Callable[[Sequence[tuple[Any, ...]]], list[Row]]:
    """Rows of the driver to mappings of names. It is written out for these columns: no loop over them at each row."""
    values, reads = [], {}
    for place, (name, read) in enumerate(columns):
        reads[f"read{place}"] = read
        value = f"v{place} if v{place} is None else read{place}(v{place})" if read else f"v{place}"
        values.append(f"{name!r}: {value}")
    one = f"{{{', '.join(values)}}} for [{', '.join(f'v{place}' for place in range(len(columns)))}]"
    written: Callable[[Sequence[tuple[Any, ...]]], list[Row]] = eval(f"lambda raw: [{one} in raw]", reads)  # noqa: S307
    return written


class Session(Protocol):
    """One unit of talk with the database. It begins at the first statement and not before."""

    @property
    def is_begun(self) -> bool:
        """Whether it is in a transaction."""

    @property
    def is_behind(self) -> bool:
        """Whether a second database, where there is one, has not heard all that was said to it."""

    async def run(self, statement: Statement, **values: object) -> int:
        """The number of rows that it found, changed or not."""

    async def insert_if_new(self, statement: Statement, **values: object) -> bool:
        """Whether the row is new; the transaction goes on either way."""

    async def run_each(self, statement: Statement, rows: Sequence[Row]) -> int:
        """Run it with the values of each, in one go: the number of rows that it found in all. It returns none."""

    async def insert_if_all_new(self, statement: Statement, rows: Sequence[Row]) -> bool:
        """Whether all rows are new; where not, any of them may be there now. The transaction goes on either way."""

    async def one(self, statement: Statement, **values: object) -> Row | None: ...

    async def all(self, statement: Statement, **values: object) -> list[Row]: ...

    async def notify(self, channel: str, text: str) -> None:
        """With the commit, tell those who listen on the channel: on PostgreSQL; elsewhere nobody hears anything."""

    async def commit(self) -> None: ...

    async def rollback(self) -> None: ...


class Database(Protocol):
    """Where sessions come from."""

    @property
    def together(self) -> int:
        """Rows that one transaction makes where there are many to make."""

    def session(self, *, writes: bool, deadline: float) -> Session:
        """A session that gives up at `deadline` (of the running loop's clock) with `DatabaseUnavailable`."""

    def turn(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Whether nobody else has the turn of that name, which is held while inside; nobody waits for it.

        It is lost with the connection, unnoticed: what is done in a turn is right, though wasteful, if two do it.
        `DatabaseUnavailable` where nobody can say whose turn it is.
        """

    async def compact(self) -> None:
        """Leave nothing in its files of what was deleted or overwritten; `StillRead` when others are in the way."""

    def close(self) -> None: ...


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """The column is one of some values, which are given as a list of that name; it is never empty."""
    return column.in_(bindparam(name, type_=column.type, expanding=True))


def room(values: Sequence[object]) -> int:
    """How many places there are for so many: the next power of two, so that few statements are prepared."""
    assert values, "a list of no values"
    return 1 << (len(values) - 1).bit_length()


async def all_among(session: Session, statement: Statement, name: str, values: Sequence[object]) -> list[Row]:
    """The rows for any number of values of its list of that name, `CHUNK` by one statement."""
    rows: list[Row] = []
    for first in range(0, len(values), CHUNK):
        rows += await session.all(statement, **{name: values[first : first + CHUNK]})
    return rows


def _in_places(sizes: Mapping[str, int], part: object, **_: object) -> Any:
    """What stands for the list of an `among` when its size is known; nothing for any other part."""
    if not (isinstance(part, BindParameter) and part.expanding):
        return None
    places = [bindparam(f"{part.key}_{place}", type_=part.type) for place in range(sizes[part.key])]
    return null().in_(places).right


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
