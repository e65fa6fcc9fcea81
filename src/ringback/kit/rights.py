"""What a user may do in a database, tried on no row of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from sqlalchemy import Table, delete, false, insert, null, select, update

from ringback.kit.db import Schemas, Statement
from ringback.kit.link import Engine, Forbidden, Line

WRITES: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
"""Every right that a service may need; migrations need others."""
SEQUENCE: Final = """
    SELECT name, has_sequence_privilege(name, 'USAGE') FROM (SELECT pg_get_serial_sequence($1, $2) AS name) AS found
    WHERE name IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2 AND attidentity <> ''
    )
"""
"""Of PostgreSQL: who adds a row there needs to count, too, unless the column is an identity."""
Wanted = Mapping[Table, Sequence[str]]
"""Rights by table."""


@dataclass(frozen=True, slots=True)
class Lack:
    """Rights that a user has not; `words` are the server's of the first, which name users and tables alone."""

    rights: Mapping[str, tuple[str, ...]]
    words: str

    def __str__(self) -> str:
        """`INSERT, UPDATE on ps_aors, ps_auths; DELETE on ps_contacts`, and the server's words."""
        by_rights = groupby(sorted(self.rights, key=self.rights.__getitem__), key=self.rights.__getitem__)
        told = "; ".join(f"{', '.join(rights)} on {', '.join(tables)}" for rights, tables in by_rights)
        return f"{told} (the server says: {self.words})"


async def lacking(engine: Engine, line: Line, schemas: Schemas, wanted: Wanted, deadline: float) -> Lack | None:
    """What its user lacks of the rights; no row is changed. `Busy`, `Lost` and `Refused` where nobody can say."""
    lacks: dict[str, tuple[str, ...]] = {}
    words = ""
    for table, rights in wanted.items():
        missing = []
        for right, statement in _trials(table, rights):
            prepared = statement.prepared(engine.dialect, schemas)
            try:
                await line.say(prepared.sql, prepared.parameters({}) or None, deadline=deadline, statement=statement)
            except Forbidden as error:
                missing.append(right)
                words = words or error.words
        if missing:
            lacks[table.name] = tuple(missing)
        elif "INSERT" in rights and (sequence := await _uncounted(engine, line, schemas, table, deadline)):
            lacks[sequence] = ("USAGE",)
            words = words or f"permission denied for sequence {sequence}"
    return Lack(lacks, words) if lacks else None


async def may_unguard(engine: Engine, line: Line, schemas: Schemas, table: Table, deadline: float) -> bool:
    """Whether its user could take away what guards the rows of a table, and not only add to them."""
    sql, values = engine.unguarding(str(schemas.named()[str(table.schema)]), table.name)
    ((may,),) = (await line.say(sql, values, deadline=deadline)).rows
    return bool(may)


def _trials(table: Table, rights: Iterable[str]) -> Iterable[tuple[str, Statement]]:
    """Each does to no row what its right is for. The first also says what the others need beside their own."""
    (key, *_) = table.primary_key
    columns = [one for one in table.columns if one.primary_key or not (one.nullable or one.server_default)]
    nothing = select(*columns) if "SELECT" in rights else select(*(null() for _ in columns))
    cores = {
        "SELECT": select(key).where(false()),
        "INSERT": insert(table).from_select([column.name for column in columns], nothing.where(false())),
        "UPDATE": update(table).values({key: key}).where(false()),
        "DELETE": delete(table).where(false()),
    }
    return [(right, Statement(cores[right])) for right in rights]


async def _uncounted(engine: Engine, line: Line, schemas: Schemas, table: Table, deadline: float) -> str | None:
    """The sequence that numbers the table's rows, if the user may not take its next number."""
    if engine.dialect.name != "postgresql" or (column := table.autoincrement_column) is None:
        return None
    quote = engine.dialect.identifier_preparer.quote_identifier
    name = f"{quote(str(schemas.named()[str(table.schema)]))}.{quote(table.name)}"
    rows = (await line.say(SEQUENCE, (name, column.name), deadline=deadline)).rows
    return next((str(sequence) for sequence, may in rows if not may), None)
