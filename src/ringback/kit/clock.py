"""What time it is in a database."""

from typing import Any

from sqlalchemy import Table, func, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from ringback.kit.columns import Time
from ringback.kit.db import Statement


class UtcNow(FunctionElement[Any]):
    """This moment by the server's clock."""

    inherit_cache = True
    type = Time()


WORDS = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "mysql": "UTC_TIMESTAMP(6)",
    "mariadb": "UTC_TIMESTAMP(6)",
    "postgresql": "timezone('utc', clock_timestamp())",
}


@compiles(UtcNow)
def _words(element: UtcNow, compiler: Any, **more: Any) -> str:
    return WORDS[compiler.dialect.name]


def clock_beside(table: Table) -> Statement:
    """Reads `now`, in UTC, from the database that has this table, which may be empty."""
    first = select(literal(1).label("one")).select_from(table).limit(1).subquery()
    return Statement(select(UtcNow().label("now"), func.count(first.c.one).label("rows")))
