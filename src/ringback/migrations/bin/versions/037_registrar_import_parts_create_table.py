"""Rows of imports, many of them in one row of the table."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final
from uuid import UUID

from alembic import op
from sqlalchemy import Column, Integer, MetaData, String, Table, delete, insert, select

from ringback.kit.columns import Id, Json
from ringback.migrations.ddl import columns_of, make_table, require_own

revision = "registrar_import_parts_create_table"
down_revision = "ringback_direct_owners_create_view"
branch_labels = None
depends_on = None

ROWS: Final = "registrar_import_rows"
PARTS: Final = "registrar_import_parts"


def upgrade() -> None:
    """Rows of an import that is not finished go on waiting, each as a part of its own."""
    make_table(PARTS, *_columns())
    _move(ROWS, PARTS, _part)


def downgrade() -> None:
    require_own()
    make_table(ROWS, *_columns(), _object_id())
    _move(PARTS, ROWS, _rows)


def _columns() -> Iterator[Column[Any]]:
    yield Column("import_id", Id, primary_key=True)
    yield Column("line", Integer, primary_key=True, autoincrement=False)
    yield Column("action", String(16), nullable=False)
    yield Column("data", Json, nullable=False)


def _object_id() -> Column[Any]:
    return Column("object_id", Id, nullable=False)


def _move(old: str, new: str, becomes: Callable[[dict[str, Any]], Iterable[dict[str, Any]]]) -> None:
    """What was moved before the upgrade was killed is moved once more."""
    if columns_of(old):
        tables = {
            ROWS: Table(ROWS, MetaData(), *_columns(), _object_id()),
            PARTS: Table(PARTS, MetaData(), *_columns()),
        }
        found = [dict(row) for row in op.get_bind().execute(select(tables[old])).mappings()]
        op.execute(delete(tables[new]))
        if moved := [one for row in found for one in becomes(row)]:
            op.get_bind().execute(insert(tables[new]), moved)
    op.drop_table(old, if_exists=True)


def _part(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    id = row.pop("object_id")
    yield {**row, "data": [{"line": row["line"], "id": id, **row["data"]}]}


def _rows(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one in part["data"]:
        line, id = one.pop("line"), UUID(one.pop("id"))
        yield {**part, "line": line, "object_id": id, "data": one}
