"""Rows that another service has written, read as we would have written them; and which of them we cannot take."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from ringback.migrations.ddl import RULES

Row = dict[str, Any]
Rows = dict[str, list[Row]]
"""By table."""

EXTENSIONS: Final = "registrar_extensions"
TRUNKS: Final = "registrar_trunks"
EDGE: Final = "registrar_sip_auths"
DIRECTS: Final = "registrar_directs"
DOMAINS: Final = "registrar_customer_domains"
IDS: Final = ("id", "customer_id", "extension_id", "direct_id")
LISTS: Final = ("auth_types", "allowed_ips")
HASHES: Final = ("hash", "direct_hash")
NEVER: Final = 9999
"""The year that stands for "not yet" in older rows."""
NEEDED: Final = {
    EXTENSIONS: ("customer_id", "extension", "username", "realm", "tm_create"),
    TRUNKS: ("customer_id", "domain_name", "realm", "tm_create"),
    DIRECTS: ("customer_id", "extension_id", "hash", "tm_create"),
}
"""What a live row must say."""


def mended(table: str, raw: Mapping[str, Any]) -> Row:
    """The row with UUIDs, times in UTC, lists, and bare hashes in lower case. `ValueError` says what cannot be read."""
    row = {name: _value(name, value) for name, value in raw.items()}
    if table == EXTENSIONS and not row["realm"]:
        row["realm"] = (row["endpoint_id"] or "").partition("@")[2] or None
    if table == EDGE and not row["auth_types"] and row["reference_type"] == "extension":
        row["auth_types"] = ["basic"]
    return row


def _value(name: str, raw: Any) -> Any:
    if name in LISTS:
        return _list(name, raw)
    if name in IDS:
        return _id(name, raw)
    if name in HASHES and raw:
        return str(raw).lower().removeprefix("direct.")
    return _moment(name, raw) if name.startswith("tm_") else raw


def _id(name: str, raw: bytes | None) -> UUID | None:
    if raw is not None and not (isinstance(raw, bytes) and len(raw) == 16):
        raise ValueError(f"{name} is not 16 bytes")
    return UUID(bytes=raw) if raw else None


def _list(name: str, raw: str | bytes | None) -> list[Any]:
    try:
        read = json.loads(raw) if raw else None
    except ValueError:
        raise ValueError(f"{name} is not JSON") from None
    if not isinstance(read, list | None):
        raise ValueError(f"{name} is not a list")
    return read or []


def _moment(name: str, raw: str | datetime | None) -> datetime | None:
    try:
        read = datetime.fromisoformat(raw) if isinstance(raw, str) else raw
    except ValueError:
        raise ValueError(f"{name} is not a time") from None
    if read is None or read.year == NEVER:
        return None
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)


def incomplete(rows: Rows) -> Iterator[str]:
    """Live rows that lack what they need."""
    for table, needed in NEEDED.items():
        for row in rows[table]:
            lacks = [name for name in needed if not row[name]]
            if row["tm_delete"] is None and lacks:
                yield f"{table}: row {row['id']} is live and has no {', '.join(lacks)}"


def clashes(rows: Rows) -> Iterator[str]:
    """Rows that are the same where a rule wants them unique."""
    for rule in RULES:
        same: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
        for row in rows[rule.table]:
            values = {name: row[name] for name in rule.columns}
            if None not in values.values() and not (rule.live and row["tm_delete"]):
                key = (str(value).lower() if name == rule.folded else value for name, value in values.items())
                same[tuple(key)].append(row)
        for several in same.values():
            if len(several) > 1:
                yield f"{rule.table}: {_what(rule.columns, several[0])} in more than one row: {_ids(several)}"


def _what(columns: Iterable[str], row: Row) -> str:
    """`customer_id …, extension 1001`. A hash is cut, since whoever knows it may call."""
    return ", ".join(f"{name} {row[name][:4] + '…' if name in HASHES else row[name]}" for name in columns)


def _ids(rows: Iterable[Row]) -> str:
    return ", ".join(str(row["id"]) for row in rows)
