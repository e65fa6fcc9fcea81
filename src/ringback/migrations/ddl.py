"""Words that migrations need: spelt for each engine, and for tables that another service has made first."""

from dataclasses import dataclass
from typing import Any, Final

from alembic import op
from sqlalchemy import Column, Inspector, inspect, text


@dataclass(frozen=True, slots=True)
class Rule:
    """What must be unique in a table: among its `live` rows or all of them; `folded` compares without letter case."""

    name: str
    table: str
    columns: tuple[str, ...]
    folded: str | None = None
    live: bool = True


@dataclass(frozen=True, slots=True)
class Index:
    """An index that is there: `unique` for all rows whatever they hold, `fixed` in the table's own definition.

    The name of a column is `None` where an expression stands.
    """

    columns: tuple[str | None, ...]
    unique: bool
    fixed: bool = False


RULES: Final = (
    Rule("ux_registrar_extensions_number", "registrar_extensions", ("customer_id", "extension"), "extension"),
    Rule("ux_registrar_extensions_username", "registrar_extensions", ("customer_id", "username"), "username"),
    Rule("ux_registrar_trunks_domain", "registrar_trunks", ("domain_name",), "domain_name"),
    Rule("ux_registrar_sip_auths_credential", "registrar_sip_auths", ("realm", "username"), live=False),
    Rule("ux_registrar_directs_extension", "registrar_directs", ("extension_id",)),
    Rule("idx_registrar_directs_hash", "registrar_directs", ("hash",), live=False),
    Rule("ux_registrar_customer_domains_domain_label", "registrar_customer_domains", ("domain_label",), live=False),
    Rule("ux_registrar_customer_domains_realm", "registrar_customer_domains", ("realm",), live=False),
)
"""The rules of the tables that a VoIPbin service may have made. As fixed as the migrations that make them."""

COLUMNS: Final = text("SELECT name FROM pragma_table_info(:table)")
INDEXES: Final = text("SELECT * FROM pragma_index_list(:table)")
INDEXED: Final = text("SELECT name FROM pragma_index_info(:index)")


def dialect() -> str:
    return op.get_context().dialect.name


def is_mysql() -> bool:
    return dialect() in ("mysql", "mariadb")


def is_printed() -> bool:
    """Whether the statements are only printed, for a database that nobody has looked into: it is taken for empty."""
    return bool(op.get_context().as_sql)


def schema() -> Inspector:
    """The schema as it is now."""
    return inspect(op.get_bind())


def columns_of(table: str) -> set[str]:
    """The names of its columns; none of a table that is not there."""
    if is_printed():
        return set()
    if dialect() == "sqlite":
        return set(op.get_bind().execute(COLUMNS, {"table": table}).scalars())
    return {column["name"] for column in schema().get_columns(table)} if schema().has_table(table) else set()


def indexes_of(table: str) -> dict[str, Index]:
    """Its indexes by name."""
    if is_printed():
        return {}
    if dialect() != "sqlite":
        found = schema().get_indexes(table)
        return {str(index["name"]): Index(tuple(index["column_names"]), index["unique"]) for index in found}
    bind = op.get_bind()
    return {
        row.name: Index(
            tuple(bind.execute(INDEXED, {"index": row.name}).scalars()),
            unique=bool(row.unique) and not row.partial,
            fixed=row.origin != "c",
        )
        for row in bind.execute(INDEXES, {"table": table}).all()
    }


def ensure_table(name: str, *columns: Column[Any]) -> None:
    """Make the table with its rules, or add the columns that it lacks where another service has made it."""
    found = columns_of(name)
    if not found:
        op.create_table(name, *columns)
        make_rules(name)
        return
    for column in columns:
        if column.name not in found:
            op.add_column(name, column)


def ensure_index(name: str, table: str, *columns: str, unique: bool = False) -> None:
    """Make the index, unless one of that name is there."""
    if name not in indexes_of(table):
        op.create_index(name, table, list(columns), unique=unique)


def missing_rules(table: str) -> list[Rule]:
    """Its rules that do not hold yet. A table that is ours has none."""
    found = indexes_of(table)
    return [rule for rule in RULES if rule.table == table and rule.name not in found]


def make_rules(table: str) -> None:
    """Make those that are missing. Where an index cannot have a condition, the column `live` stands in for it."""
    rules = missing_rules(table)
    if is_mysql() and any(rule.live for rule in rules) and "live" not in columns_of(table):
        op.execute(f"ALTER TABLE {table} ADD COLUMN live TINYINT AS (IF(tm_delete IS NULL, 1, NULL))")
    for rule in rules:
        _make(rule)


def _make(rule: Rule) -> None:
    if is_mysql():
        op.create_index(rule.name, rule.table, [*rule.columns, *(["live"] if rule.live else [])], unique=True)
        return
    columns = [text(f"lower({name})") if name == rule.folded else name for name in rule.columns]
    live = text("tm_delete IS NULL") if rule.live else None
    op.create_index(rule.name, rule.table, columns, unique=True, sqlite_where=live, postgresql_where=live)
