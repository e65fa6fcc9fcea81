"""Tables by the names of Asterisk's: whether those that are there are Asterisk's, too."""

from typing import Any, Final

from sqlalchemy import Connection, String, inspect, text

from ringback.kit.errors import CannotStart

SIGNS: Final = {
    "ps_endpoints": ("id", "aors", "auth"),
    "ps_aors": ("id", "max_contacts"),
    "ps_auths": ("id", "auth_type", "username", "password"),
    "ps_contacts": ("id", "uri", "expiration_time"),
}
"""Columns that every Asterisk since the first with PJSIP wants there, by table."""
TEXTS: Final = ("id", "aors", "auth", "auth_type", "username", "password", "uri")
"""Those of them that are text, an ENUM included; times and numbers have been text in older ones."""
COLUMNS: Final = text("SELECT name, type FROM pragma_table_info(:table)")


def require_asterisks(connection: Connection) -> None:
    """`CannotStart` names every table that is there, and is another one by its columns or their types."""
    faults = [fault for table in SIGNS if (fault := _strange(connection, table))]
    if faults:
        raise CannotStart("; ".join(faults))


def _strange(connection: Connection, table: str) -> str | None:
    if not (found := _columns(connection, table)):
        return None
    why = (
        [f"it has no column {', '.join(lacks)}"]
        if (lacks := [name for name in SIGNS[table] if name not in found])
        else []
    )
    why += [
        f"{name} is {found[name]}".lower() for name in SIGNS[table] if name in TEXTS and not _is_text(found.get(name))
    ]
    return f"the table {table} is neither Ringback's nor Asterisk's: {', '.join(why)}" if why else None


def _columns(connection: Connection, table: str) -> dict[str, Any]:
    """Name → type: SQLite's word for it, elsewhere a type of SQLAlchemy's."""
    if connection.dialect.name == "sqlite":
        return {row.name: row.type for row in connection.execute(COLUMNS, {"table": table})}
    schema = inspect(connection)
    return {column["name"]: column["type"] for column in schema.get_columns(table)} if schema.has_table(table) else {}


def _is_text(kind: Any) -> bool:
    """Whether it is; a column that is not there is no text that would be told of."""
    if isinstance(kind, str):
        return not kind or any(word in kind.upper() for word in ("CHAR", "CLOB", "TEXT", "ENUM"))
    return kind is None or isinstance(kind, String)
