"""Words that migrations need: spelt for each engine, and for tables that another service has made first.

Each may be said again: where DDL commits by itself, an upgrade that was killed is completed by the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from alembic import op
from sqlalchemy import (
    BINARY,
    UUID,
    VARBINARY,
    Column,
    ColumnClause,
    Computed,
    Constraint,
    Inspector,
    TableClause,
    UniqueConstraint,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects.mysql import DATETIME, TINYINT
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.exc import NoSuchTableError

from ringback.kit.errors import CannotStart


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
SHARED: Final = tuple(dict.fromkeys(rule.table for rule in RULES))
"""These tables."""
IDS: Final = ("id", "customer_id", "extension_id", "direct_id")
TIMES: Final = ("tm_create", "tm_update", "tm_delete")
META: Final = "registrar_meta"
TAKEN_OVER: Final = "taken_over"
"""The key in it that names the tables that another service has made."""
KEY: Final = ColumnClause[str]("key")
OPTIONS: Final[dict[str, Any]] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_unicode_ci",
}
"""Of tables that we make: a collation that MariaDB and MySQL know, and that compares without letter case."""
IF_LIVE: Final = "if(tm_delete is null, 1, null)"

COLUMNS: Final = text("SELECT name FROM pragma_table_info(:table)")
INDEXES: Final = text("SELECT * FROM pragma_index_list(:table)")
INDEXED: Final = text("SELECT name FROM pragma_index_info(:index)")


def dialect() -> str:
    return op.get_context().dialect.name


def is_mysql() -> bool:
    """MySQL or MariaDB."""
    return dialect() == "mysql"


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
    try:
        return {column["name"] for column in schema().get_columns(table)}
    except NoSuchTableError:
        return set()


def indexes_of(table: str) -> dict[str, Index]:
    """Its indexes by name; none of a table that is not there."""
    if not columns_of(table):
        return {}
    if dialect() != "sqlite":
        return {
            str(index["name"]): Index(
                tuple(index["column_names"]),
                unique=index["unique"] and not index.get("dialect_options", {}).get("postgresql_where"),
                fixed="duplicates_constraint" in index and not is_mysql(),
            )
            for index in schema().get_indexes(table)
        }
    bind = op.get_bind()
    return {
        row.name: Index(
            tuple(bind.execute(INDEXED, {"index": row.name}).scalars()),
            unique=bool(row.unique) and not row.partial,
            fixed=row.origin != "c",
        )
        for row in bind.execute(INDEXES, {"table": table}).all()
    }


def make_table(name: str, *columns: Column[Any], rules: Sequence[Constraint] = (), **options: Any) -> None:
    """Make a table that is ours alone."""
    found = columns_of(name)
    if not found:
        op.create_table(name, *columns, *rules, **OPTIONS, **options)
    elif lacks := [column.name for column in columns if column.name not in found]:
        raise CannotStart(_strange(name, f"it has no column {', '.join(lacks)}"))


def ensure_table(name: str, *columns: Column[Any]) -> None:
    """Make the table with its rules, or add the columns that it lacks where another service has made it."""
    require_alike(name)
    found = columns_of(name)
    if not found:
        _create(name, *columns)
        return
    for column in columns:
        if column.name not in found:
            op.add_column(name, column)


def require_alike(name: str) -> None:
    """`CannotStart` if a table of that name is there and is another one, by its columns and their types."""
    if not (found := columns_of(name)):
        return
    told = [column for rule in RULES if rule.table == name for column in rule.columns]
    key = "customer_id" if name == "registrar_customer_domains" else "id"
    if lacks := [column for column in dict.fromkeys([key, *told]) if column not in found]:
        raise CannotStart(_strange(name, f"it has no column {', '.join(lacks)}"))
    if told and dialect() != "sqlite":
        types = {column["name"]: column["type"] for column in schema().get_columns(name)}
        if others := [f"{column} is {type}" for column, type in types.items() if not _is_kept_alike(column, type)]:
            raise CannotStart(_strange(name, f"{', '.join(others).lower()}"))


def _is_kept_alike(column: str, type: Any) -> bool:
    if column in IDS:
        return isinstance(type, UUID) or (isinstance(type, BINARY | VARBINARY) and type.length == 16)
    if column not in TIMES:
        return True
    if isinstance(type, DATETIME):
        return type.fsp == 6
    return isinstance(type, TIMESTAMP) and not type.timezone and type.precision in (6, None)


def _strange(name: str, why: str) -> str:
    return f"the table {name} is neither Ringback's nor VoIPbin's: {why}"


def _create(name: str, *columns: Column[Any]) -> None:
    """On MySQL in one statement, or a kill could leave a table without its rules: one that another service has made."""
    rules = [rule for rule in RULES if rule.table == name]
    if is_mysql():
        live = [Column("live", TINYINT, Computed(IF_LIVE))] if any(rule.live for rule in rules) else []
        unique = [UniqueConstraint(*_with_live(rule), name=rule.name) for rule in rules]
        op.create_table(name, *columns, *live, *unique, **OPTIONS)
        return
    op.create_table(name, *columns)
    for rule in rules:
        _make(rule)


def ensure_column(table: str, column: Column[Any]) -> None:
    """Add it, unless one of that name is there."""
    if column.name not in columns_of(table):
        op.add_column(table, column)


def ensure_index(name: str, table: str, *columns: str, unique: bool = False) -> None:
    """Make the index, unless one of that name is there."""
    if name not in indexes_of(table):
        op.create_index(name, table, list(columns), unique=unique)


def drop_index(name: str, table: str) -> None:
    """Drop it, if it is there."""
    if is_printed() or name in indexes_of(table):
        op.drop_index(name, table)


def ensure_view(name: str, query: str) -> None:
    """Make the view, unless one of that name is there."""
    if is_printed() or name not in schema().get_view_names():
        op.execute(f"CREATE VIEW {name} AS {query}")


def drop_table(name: str) -> None:
    """Drop a table of ours. `CannotStart` if tables of this database are another service's."""
    require_own()
    op.drop_table(name, if_exists=True)


def drop_column(table: str, name: str) -> None:
    """Drop a column of ours, by the same rule."""
    require_own()
    if is_printed() or name in columns_of(table):
        op.drop_column(table, name)


def require_own() -> None:
    """`CannotStart` if tables of this database were taken over, or are about to be: they are not ours to drop."""
    if is_printed():
        return
    noted = select(KEY).select_from(TableClause(META)).where(KEY == TAKEN_OVER)
    if (columns_of(META) and op.get_bind().execute(noted).first()) or any(missing_rules(name) for name in SHARED):
        raise CannotStart(
            "tables of this database were made by another service, so there is no way down; "
            "that service can go on with them as they are (docs/takeover.md)"
        )


def missing_rules(table: str) -> list[Rule]:
    """Its rules that do not hold yet. A table that is ours has none, and one that is not there needs none."""
    found = indexes_of(table)
    return [rule for rule in RULES if rule.table == table and rule.name not in found] if columns_of(table) else []


def make_rules(table: str) -> None:
    """Make those that are missing. Where an index cannot have a condition, the column `live` stands in for it."""
    rules = missing_rules(table)
    if is_mysql() and any(rule.live for rule in rules) and "live" not in columns_of(table):
        op.execute(f"ALTER TABLE {table} ADD COLUMN live TINYINT GENERATED ALWAYS AS ({IF_LIVE})")
    for rule in rules:
        _make(rule)


def _make(rule: Rule) -> None:
    if is_mysql():
        op.create_index(rule.name, rule.table, _with_live(rule), unique=True)
        return
    columns = [text(f"lower({name})") if name == rule.folded else name for name in rule.columns]
    live = text("tm_delete IS NULL") if rule.live else None
    op.create_index(rule.name, rule.table, columns, unique=True, sqlite_where=live, postgresql_where=live)


def _with_live(rule: Rule) -> list[str]:
    return [*rule.columns, *(["live"] if rule.live else [])]
