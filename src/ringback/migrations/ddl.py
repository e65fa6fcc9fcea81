"""Words that migrations need and that each engine spells its own way."""

from alembic import op
from sqlalchemy import text


def dialect() -> str:
    return op.get_context().dialect.name


def live_column(table: str) -> None:
    """What `unique_if_live` stands on where an index cannot have a condition: 1 for a live row, NULL for a dead one."""
    if dialect() in ("mysql", "mariadb"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN live TINYINT AS (IF(tm_delete IS NULL, 1, NULL))")


def unique_if_live(name: str, table: str, *columns: str, ignore_case: str | None = None) -> None:
    """A unique rule among the rows whose `tm_delete` is NULL; the column `ignore_case` compares without letter case."""
    if dialect() in ("mysql", "mariadb"):
        op.create_index(name, table, [*columns, *([ignore_case] if ignore_case else []), "live"], unique=True)
        return
    folded = [text(f"lower({ignore_case})")] if ignore_case else []
    live = text("tm_delete IS NULL")
    op.create_index(name, table, [*columns, *folded], unique=True, sqlite_where=live, postgresql_where=live)
