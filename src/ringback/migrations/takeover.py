"""Tables that another service has made become ours: their rows are mended, or all that is in the way is named."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final
from uuid import uuid4

from alembic import op
from sqlalchemy import ColumnClause, String, bindparam, column, insert, select, table, update
from sqlalchemy.types import TypeEngine

from ringback.kit.columns import Id, Json, Time
from ringback.kit.errors import CannotStart
from ringback.migrations import domains
from ringback.migrations.ddl import RULES, columns_of, indexes_of, is_mysql, is_printed, make_rules, missing_rules
from ringback.migrations.foreign import (
    DIRECTS,
    DOMAINS,
    EDGE,
    ENDPOINT,
    EXTENSIONS,
    IDS,
    LISTS,
    READ,
    TIMES,
    TRUNKS,
    Row,
    Rows,
    ambiguous,
    clashes,
    incomplete,
    key_of,
    mended,
)

TABLES: Final = (EXTENSIONS, TRUNKS, EDGE, DIRECTS, DOMAINS)
WITH_PASSWORD: Final = (EXTENSIONS, TRUNKS, EDGE)
ISSUED: Final = "registrar_direct_hashes"
META: Final = "registrar_meta"
MENDED: Final = (*LISTS, *ENDPOINT, "domain_name", "realm", "hash", *TIMES)
"""Columns that are written back, where a table has them."""
CHUNK: Final = 1000
"""Rows of one statement."""


def take_over() -> None:
    """Do it if a table lacks our unique rules. `CannotStart` names every row that forbids it; then none is changed."""
    taken = [] if is_printed() else [name for name in TABLES if missing_rules(name)]
    if not taken:
        return
    rows, faults = _read()
    new = {EDGE: list(_credentials(rows)), DIRECTS: list(_directs(rows)), DOMAINS: list(domains.of_customers(rows))}
    whole = rows | {name: rows[name] + new[name] for name in (EDGE, DIRECTS)}
    bases, strange = domains.bases(rows)
    faults += [
        *_fixed_rules(),
        *incomplete(whole),
        *ambiguous(whole),
        *clashes(whole),
        *strange,
        *domains.scattered(rows),
    ]
    faults += domains.served_otherwise(rows[EXTENSIONS])
    if faults:
        raise CannotStart("this database cannot be taken over, no row was changed:\n  " + "\n  ".join(faults))
    for name, index, _ in set(_plain_rules()):
        op.drop_index(index, name)
    for name in TABLES:
        _change(name, rows[name])
        _add(name, new.get(name, []))
    _issue(whole[DIRECTS])
    for name in taken:
        make_rules(name)
    if {"direct_id", "direct_hash"} <= columns_of(EXTENSIONS):
        _keep_in_step()
    clear = any(row["password"] and not row["ha1"] for name in WITH_PASSWORD for row in rows[name])
    _remember({"taken_over": ",".join(taken), **bases, **({"secret_storage": "plaintext"} if clear else {})})
    if not clear:
        _forget_blanks()


def require_own() -> None:
    """`CannotStart` if tables of this database were taken over: they are not ours to drop."""
    if not is_printed() and "taken_over" in _remembered():
        raise CannotStart(
            "tables of this database were made by another service, so there is no way down; "
            "that service can go on with them as they are (docs/takeover.md)"
        )


def _read() -> tuple[Rows, list[str]]:
    """Every row, and what cannot be read."""
    rows: Rows = {name: [] for name in TABLES}
    faults: list[str] = []
    for name in TABLES:
        columns = columns_of(name)
        found: Any = select(*(column(wanted) for wanted in READ if wanted in columns)).select_from(table(name))
        for raw in op.get_bind().execute(found).mappings():
            try:
                rows[name].append(mended(name, dict(raw)))
            except ValueError as error:
                key = raw[key_of(name)]
                faults.append(f"{name}: row {key.hex() if isinstance(key, bytes) else key}: {error}")
    return rows, faults


def _credentials(rows: Rows) -> Iterator[Row]:
    """What the SIP edge must know of each live extension and trunk, and does not."""
    known = {row["id"] for row in rows[EDGE]}
    for kind, name in (("extension", EXTENSIONS), ("trunk", TRUNKS)):
        for row in rows[name]:
            if row["tm_delete"] is None and row["id"] not in known:
                same = ("id", "realm", "username", "password", "ha1", "ha1_sha256", "tm_create", "tm_update")
                lists = {"auth_types": row.get("auth_types", ["basic"]), "allowed_ips": row.get("allowed_ips", [])}
                yield {"reference_type": kind, **{name: row[name] for name in same}, **lists}


def _directs(rows: Rows) -> Iterator[Row]:
    """Directs that only columns of their extensions tell of: a later version of the other service keeps them there."""
    told = {row["extension_id"] for row in rows[DIRECTS]}
    for row in rows[EXTENSIONS]:
        if row.get("direct_hash") and row["id"] not in told:
            same = ("customer_id", "tm_create", "tm_update", "tm_delete")
            given = row.get("direct_id")
            id = given if given and given.int else uuid4()
            yield {
                "id": id,
                "extension_id": row["id"],
                "hash": row["direct_hash"],
                **{name: row[name] for name in same},
            }


def _plain_rules() -> Iterator[tuple[str, str, bool]]:
    """(table, index, whether it is part of the table) of unique rules that hold for dead rows too.

    They forbid to enable a direct again, or to give the number of a deleted extension to another.
    """
    for rule in RULES:
        for name, index in indexes_of(rule.table).items():
            if rule.live and index.unique and rule.columns[-1] in index.columns and {*index.columns} <= {*rule.columns}:
                yield rule.table, name, index.fixed


def _fixed_rules() -> Iterator[str]:
    for name, index, fixed in set(_plain_rules()):
        if fixed:
            columns = ", ".join(str(column) for column in indexes_of(name)[index].columns)
            yield f"{name}: the table's own UNIQUE ({columns}) holds for deleted rows too; make the table without it"


def _forget_blanks() -> None:
    """No row has a clear password, so that digest mode may be chosen: there a blank one is NULL."""
    for name in WITH_PASSWORD:
        op.get_bind().execute(update(_table(name, "password")).values(password=None))


def _change(name: str, rows: list[Row]) -> None:
    columns = [column for column in MENDED if rows and column in rows[0]]
    if columns:
        to = _table(name, key_of(name), *columns)
        statement = update(to).where(to.c[key_of(name)] == bindparam("of_row"))
        values: Row = {column: bindparam(f"new_{column}") for column in columns}
        for some in _chunks(rows):
            new = [{f"new_{column}": row[column] for column in columns} | {"of_row": row[key_of(name)]} for row in some]
            op.get_bind().execute(statement.values(values), new)


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


def _keep_in_step() -> None:
    """Columns `direct_id` and `direct_hash` of an extension say what its live direct is, whoever changes that."""
    live = "FROM registrar_directs d WHERE d.extension_id = registrar_extensions.id AND d.tm_delete IS NULL"
    say = f"UPDATE registrar_extensions SET direct_id = (SELECT d.id {live}), direct_hash = (SELECT d.hash {live})"  # noqa: S608
    op.execute(say)
    for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
        body = f"{say} WHERE id = {row}.extension_id"
        op.execute(
            f"CREATE TRIGGER registrar_directs_{event.lower()} AFTER {event} ON registrar_directs FOR EACH ROW "
            + (body if is_mysql() else f"BEGIN {body}; END")
        )


def _remember(values: dict[str, str]) -> None:
    known = _remembered()
    _add(META, [{"key": key, "value": value} for key, value in values.items() if key not in known])


def _remembered() -> set[str]:
    return set(op.get_bind().execute(select(column("key")).select_from(table(META))).scalars())


def _table(name: str, *columns: str) -> Any:
    return table(name, *(ColumnClause(column, _type(column)) for column in columns))


def _type(column: str) -> TypeEngine[Any]:
    if column.startswith("tm_"):
        return Time()
    return Id() if column in IDS else Json() if column in LISTS else String()
