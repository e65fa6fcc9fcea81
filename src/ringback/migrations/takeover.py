"""Tables that another service has made become ours: their rows are mended, or all that is in the way is named."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final

from alembic import op
from sqlalchemy import ColumnClause, String, bindparam, column, func, insert, select, table, update
from sqlalchemy.types import TypeEngine

from ringback.kit.columns import Id, Json, Time
from ringback.migrations.ddl import (
    IDS,
    META,
    RULES,
    SHARED,
    TAKEN_OVER,
    Rule,
    columns_of,
    dialect,
    is_mysql,
    is_printed,
    make_rules,
    missing_rules,
    require_alike,
)
from ringback.migrations.foreign import DIRECTS, EDGE, EXTENSIONS, HASHES, LISTS, MENDED, TRUNKS, Row, key_of
from ringback.migrations.survey import Survey, plain_rules, require_none, survey

WITH_PASSWORD: Final = (EXTENSIONS, TRUNKS, EDGE)
ISSUED: Final = "registrar_direct_hashes"
CHUNK: Final = 1000
"""Rows of one statement."""


def look_first() -> None:
    """`CannotStart` before the first change, if tables are there that are something else, or cannot be taken over.

    Where a change can be taken back, the rows are looked at only when they are taken over.
    """
    if is_printed():
        return
    for name in SHARED:
        require_alike(name)
    if is_mysql() and any(missing_rules(name) for name in SHARED):
        survey()


def take_over() -> None:
    """Do it if a table lacks our unique rules. `CannotStart` names every row that forbids it; then none is changed.

    Rows first, all of them or none; then what MySQL cannot take back. It is done when the rules hold, which come last:
    if it is killed, the next one begins again and finds less to do.
    """
    taken = [] if is_printed() else [name for name in SHARED if missing_rules(name)]
    if not taken:
        return
    found = survey()
    _write(found, taken)
    require_none([fault for rule in RULES if rule.table in taken for fault in _same_to_the_engine(rule)])
    for name, index, _ in set(plain_rules()):
        op.drop_index(index, name)
    if {"direct_id", "direct_hash"} <= columns_of(EXTENSIONS):
        _keep_in_step()
    for name in taken:
        make_rules(name)


def _write(found: Survey, taken: list[str]) -> None:
    for name in SHARED:
        _change(name, found.changed[name])
        _add(name, found.new.get(name, []))
    _issue(found.whole(DIRECTS))
    clear = found.has_clear_passwords
    _remember({TAKEN_OVER: ",".join(taken), **found.bases, **({"secret_storage": "plaintext"} if clear else {})})
    if not clear:
        _forget_blanks()
    if {"direct_id", "direct_hash"} <= columns_of(EXTENSIONS):
        op.execute(SAY_DIRECT)


def _forget_blanks() -> None:
    """No row has a clear password, so that digest mode may be chosen: there a blank one is NULL."""
    for name in WITH_PASSWORD:
        op.get_bind().execute(update(_table(name, "password")).values(password=None))


def _change(name: str, rows: list[Row]) -> None:
    there = columns_of(name)
    columns = [column for column in MENDED if column in there]
    to = _table(name, key_of(name), *columns)
    values: Row = {column: bindparam(f"new_{column}") for column in columns}
    statement = update(to).where(to.c[key_of(name)] == bindparam("of_row")).values(values)
    for some in _chunks(rows):
        new = [{f"new_{column}": row[column] for column in columns} | {"of_row": row[key_of(name)]} for row in some]
        op.get_bind().execute(statement, new)


def _add(name: str, rows: Iterable[Row]) -> None:
    for some in _chunks(rows):
        op.get_bind().execute(insert(_table(name, *some[0])), some)


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    return (list(chain([first], islice(left, CHUNK - 1))) for first in left)


def _issue(directs: list[Row]) -> None:
    """No hash is ever given out again."""
    issued: set[str] = set(op.get_bind().execute(select(column("hash")).select_from(table(ISSUED))).scalars())
    new = {row["hash"]: row for row in directs if row["hash"] and row["hash"] not in issued}
    rows = [
        {"hash": hash, "direct_id": row["id"], "tm_create": row["tm_create"], "tm_revoke": row["tm_delete"]}
        for hash, row in new.items()
    ]
    _add(ISSUED, rows)


def _same_to_the_engine(rule: Rule) -> Iterator[str]:
    """Rows that only the engine takes for the same, by letters that its collation does not tell apart."""
    of = _table(rule.table, key_of(rule.table), *rule.columns, *(["tm_delete"] if rule.live else []))
    folded = [func.lower(of.c[name]) if name == rule.folded and not is_mysql() else of.c[name] for name in rule.columns]
    counted = select(*folded).where(*(part.is_not(None) for part in folded))
    counted = counted.where(of.c.tm_delete.is_(None)) if rule.live else counted
    for values in op.get_bind().execute(counted.group_by(*folded).having(func.count() > 1)).all():
        same = select(of.c[key_of(rule.table)]).where(
            *(part == value for part, value in zip(folded, values, strict=True))
        )
        same = same.where(of.c.tm_delete.is_(None)) if rule.live else same
        ids = ", ".join(str(id) for id in op.get_bind().execute(same).scalars())
        said = ", ".join(
            f"{name} {value[:4] + '…' if name in HASHES else value}"
            for name, value in zip(rule.columns, values, strict=True)
        )
        yield f"{rule.table}: {said} in more than one row, as the database compares: {ids}"


LIVE_DIRECT: Final = "FROM registrar_directs d WHERE d.extension_id = registrar_extensions.id AND d.tm_delete IS NULL"
SAY_DIRECT: Final = (
    f"UPDATE registrar_extensions SET direct_id = (SELECT d.id {LIVE_DIRECT}), "  # noqa: S608
    f"direct_hash = (SELECT d.hash {LIVE_DIRECT})"
)


def _keep_in_step() -> None:
    """Columns `direct_id` and `direct_hash` of an extension say what its live direct is, whoever changes that."""
    for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
        trigger, body = f"registrar_directs_{event.lower()}", f"{SAY_DIRECT} WHERE id = {row}.extension_id"
        run = body if is_mysql() else f"BEGIN {body}; END"
        if dialect() == "postgresql":
            function = f"$$ BEGIN {body}; RETURN NULL; END $$ LANGUAGE plpgsql"
            op.execute(f"CREATE OR REPLACE FUNCTION {trigger}() RETURNS trigger AS {function}")
            run = f"EXECUTE FUNCTION {trigger}()"
        if is_mysql():
            op.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        op.execute(f"CREATE TRIGGER {trigger} AFTER {event} ON registrar_directs FOR EACH ROW {run}")


def _remember(values: dict[str, str]) -> None:
    known: set[str] = set(op.get_bind().execute(select(column("key")).select_from(table(META))).scalars())
    _add(META, [{"key": key, "value": value} for key, value in values.items() if key not in known])


def _table(name: str, *columns: str) -> Any:
    return table(name, *(ColumnClause(column, _type(column)) for column in columns))


def _type(column: str) -> TypeEngine[Any]:
    if column.startswith("tm_"):
        return Time()
    return Id() if column in IDS else Json() if column in LISTS else String()
