"""What is in tables that another service has made: rows as we would have them, what is missing and in the way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec
from alembic import op
from sqlalchemy import column, select, table

from ringback.kit.columns import Time
from ringback.kit.errors import CannotStart
from ringback.migrations import domains
from ringback.migrations.ddl import RULES, SHARED, TIMES, columns_of, indexes_of
from ringback.migrations.foreign import (
    DIRECTS,
    DOMAINS,
    EDGE,
    EXTENSIONS,
    LISTS,
    MENDED,
    READ,
    TRUNKS,
    USED,
    Row,
    Rows,
    ambiguous,
    clashes,
    incomplete,
    key_of,
    mended,
    too_long,
    unfit,
)


@dataclass(frozen=True, slots=True)
class Survey:
    """All rows as we would have them; those of them that are to be written back; new ones; and the base domains."""

    rows: Rows
    changed: Rows
    new: Rows
    bases: Mapping[str, str]

    def whole(self, table: str) -> list[Row]:
        """Its rows, old and new."""
        return self.rows[table] + self.new.get(table, [])

    @property
    def has_clear_passwords(self) -> bool:
        return any(row["password"] and not row["ha1"] for name in (EXTENSIONS, TRUNKS, EDGE) for row in self.rows[name])


def survey() -> Survey:
    """`CannotStart` names every row that forbids to take the tables over."""
    rows, changed, faults = _read()
    new = {EDGE: list(_credentials(rows)), DIRECTS: list(_directs(rows)), DOMAINS: list(domains.of_customers(rows))}
    whole = rows | {name: rows[name] + new[name] for name in (EDGE, DIRECTS)}
    bases, strange = domains.bases(rows)
    faults += [
        *_fixed_rules(),
        *incomplete(whole),
        *too_long(whole),
        *ambiguous(whole),
        *clashes(whole),
        *strange,
        *domains.scattered(rows),
        *domains.served_otherwise(rows[EXTENSIONS]),
    ]
    require_none(faults)
    return Survey(rows, changed, new, bases)


def require_none(faults: list[str]) -> None:
    if faults:
        raise CannotStart("this database cannot be taken over, no row was changed:\n  " + "\n  ".join(faults))


def _read() -> tuple[Rows, Rows, list[str]]:
    """Every row, those that are other than what stands there, and what cannot be read."""
    rows: Rows = {name: [] for name in SHARED}
    changed: Rows = {name: [] for name in SHARED}
    faults: list[str] = []
    for name in SHARED:
        columns = columns_of(name)
        wanted = [wanted for wanted in READ if wanted in columns]
        nothing = dict.fromkeys(USED[name])
        found: Any = select(*map(column, wanted)).select_from(table(name))
        for raw in op.get_bind().execute(found).mappings() if columns else ():
            key = raw[key_of(name)]
            place = f"{name}: row {key.hex() if isinstance(key, bytes) else key}"
            try:
                row = mended(name, nothing | dict(raw))
            except ValueError as error:
                faults.append(f"{place}: {error}")
                continue
            faults += (f"{place}: {fault}" for fault in unfit(name, row))
            rows[name].append(row)
            if not all(_is_as_it_was(column, raw[column], row[column]) for column in MENDED if column in columns):
                changed[name].append(row)
    return rows, changed, faults


def _is_as_it_was(column: str, raw: Any, value: Any) -> bool:
    if column in TIMES:
        return bool(raw == Time().process_bind_param(value, op.get_context().dialect))
    if column in LISTS and isinstance(raw, str):
        return bool(raw and msgspec.json.decode(raw) == value)
    return bool(raw == value)


def _credentials(rows: Rows) -> Iterator[Row]:
    """What the SIP edge must know of each live extension and trunk, and does not."""
    known = {row["id"] for row in rows[EDGE]}
    for kind, name in (("extension", EXTENSIONS), ("trunk", TRUNKS)):
        for row in rows[name]:
            if row["tm_delete"] is None and row["id"] not in known:
                same = ("id", "realm", "username", "password", "ha1", "ha1_sha256", "tm_create", "tm_update")
                lists = {"auth_types": row["auth_types"], "allowed_ips": row["allowed_ips"]} if name == TRUNKS else {}
                lists = lists or {"auth_types": ["basic"], "allowed_ips": []}
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


def plain_rules() -> Iterator[tuple[str, str, bool]]:
    """(table, index, whether it is part of the table) of unique rules that hold for dead rows too.

    They forbid to enable a direct again, or to give the number of a deleted extension to another.
    """
    for rule in RULES:
        for name, index in indexes_of(rule.table).items():
            if rule.live and index.unique and rule.columns[-1] in index.columns and {*index.columns} <= {*rule.columns}:
                yield rule.table, name, index.fixed


def _fixed_rules() -> Iterator[str]:
    for name, index, fixed in set(plain_rules()):
        if fixed:
            columns = ", ".join(str(column) for column in indexes_of(name)[index].columns)
            yield f"{name}: the table's own UNIQUE ({columns}) holds for deleted rows too; make the table without it"
