"""Rows that another service has written, read as we would have written them; and which of them we cannot take."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from sys import intern
from typing import Any, Final
from uuid import UUID

import msgspec

from ringback.kit.networks import is_network
from ringback.migrations.ddl import IDS, RULES, TIMES, Rule
from ringback.sip import names

Row = dict[str, Any]
Rows = dict[str, list[Row]]
"""By table."""

EXTENSIONS: Final = "registrar_extensions"
TRUNKS: Final = "registrar_trunks"
EDGE: Final = "registrar_sip_auths"
DIRECTS: Final = "registrar_directs"
DOMAINS: Final = "registrar_customer_domains"
LISTS: Final = ("auth_types", "allowed_ips")
HASHES: Final = ("hash", "direct_hash")
ENDPOINT: Final = ("endpoint_id", "aor_id", "auth_id")
SHOWN: Final = ("name", "detail")
"""Columns that must be text, and are nothing to us."""
TEXTS: Final = ("extension", "domain_name", "domain_label", "realm", "username", "password", "ha1", "ha1_sha256")
READ: Final = (*IDS, *LISTS, *HASHES, *TIMES, *ENDPOINT, *SHOWN, *TEXTS, "reference_type")
"""Columns that we read, where a table has them. What stands in others is the other service's own."""
MENDED: Final = (*LISTS, *ENDPOINT, "domain_name", "realm", "hash", *TIMES)
"""Columns that are written back where they are other than they should be."""
SECRETS: Final = ("password", "ha1", "ha1_sha256")
USED: Final = {
    EXTENSIONS: ("customer_id", *ENDPOINT, "extension", "domain_name", "realm", "username", *SECRETS, *TIMES),
    TRUNKS: ("customer_id", "domain_name", "realm", "username", *SECRETS, *LISTS, *TIMES),
    EDGE: ("reference_type", "realm", "username", *SECRETS, *LISTS, "tm_create", "tm_update"),
    DIRECTS: ("customer_id", "extension_id", "hash", *TIMES),
    DOMAINS: ("domain_label", "realm", "tm_create", "tm_update"),
}
"""What a row is asked for. A table that is not ours yet may lack some of it, which is NULL then."""
OFTEN: Final = ("realm", "domain_name", "reference_type")
"""Columns that say the same in many rows: kept once."""
OTHER_NAME: Final = "other name"
"""What `endpoint_id` of a live extension said, where that is not `<extension>@<realm>`; no column."""
TAKEN_FOR_ELSE: Final = re.compile(r"anonymous\Z|direct\.", re.IGNORECASE | re.ASCII)
NEVER: Final = 9999
"""The year that stands for "not yet" in older rows."""
NAME_WIDTH: Final = 255
HASH_WIDTH: Final = 64
NEEDED: Final = {
    EXTENSIONS: ("customer_id", "extension", "username", "realm", "tm_create"),
    TRUNKS: ("customer_id", "domain_name", "realm", "tm_create"),
    DIRECTS: ("customer_id", "extension_id", "hash", "tm_create"),
    DOMAINS: ("domain_label", "realm", "tm_create"),
}
"""What a live row must say."""


def key_of(table: str) -> str:
    """The column that tells its rows apart."""
    return "customer_id" if table == DOMAINS else "id"


def mended(table: str, raw: Mapping[str, Any]) -> Row:
    """The row with UUIDs, times in UTC, lists, and bare hashes in lower case.

    `ValueError` says what cannot be read, and never what stands there.
    """
    row = {name: value for name, value in _values(raw) if name not in SHOWN}
    if row[key_of(table)] is None:
        raise ValueError(f"{key_of(table)} is not 16 bytes")
    if table == EXTENSIONS:
        _name(row)
    if table == EDGE and not row["auth_types"] and row["reference_type"] == "extension":
        row["auth_types"] = ["basic"]
    if table == DOMAINS and row["realm"]:
        row["realm"] = row["realm"].lower()
    return row


def _name(row: Row) -> None:
    """The realm of an extension and what follows from it: its label, and the name that Asterisk knows the phone by."""
    said = row["endpoint_id"]
    row["realm"] = row["realm"] or (said or "").partition("@")[2] or None
    if row["realm"]:
        row["domain_name"] = row["domain_name"] or row["realm"].partition(".")[0]
    if row["realm"] and row["extension"] and row["tm_delete"] is None:
        name = names.endpoint_id(row["extension"], row["realm"])
        row |= dict.fromkeys(ENDPOINT, name)
        if said and said != name:
            row[OTHER_NAME] = said


def unfit(table: str, row: Row) -> Iterator[str]:
    """Ways of proof and addresses that we would not take. What a deleted trunk had counts for nothing."""
    is_proof = table == TRUNKS or row.get("reference_type") in ("extension", "trunk")
    if not is_proof or row.get("tm_delete") is not None:
        return
    for index, item in enumerate(row["auth_types"]):
        if item not in ("basic", "ip"):
            yield f"auth_types[{index}] is not basic or ip"
    for index, item in enumerate(row["allowed_ips"]):
        if not (isinstance(item, str) and is_network(item)):
            yield f"allowed_ips[{index}] is not an IP address or a CIDR of a prefix length above 0"


def _values(raw: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in raw.items():
        if isinstance(value, str) and not _is_unicode(value):
            raise ValueError(f"{name} is not UTF-8")
        yield name, _value(name, value)


def _is_unicode(text: str) -> bool:
    """Bytes that no character stands for were read as lone surrogates (PEP 383)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _value(name: str, raw: Any) -> Any:
    if name in LISTS:
        return _list(name, raw)
    if name in IDS:
        return _id(name, raw)
    if name in TIMES:
        return _moment(name, raw)
    if not isinstance(raw, str | None):
        raise ValueError(f"{name} is not text")
    if raw and name in OFTEN:
        return intern(raw)
    return raw.lower().removeprefix("direct.") if raw and name in HASHES else raw


def _id(name: str, raw: Any) -> UUID | None:
    if isinstance(raw, UUID):
        return raw
    if raw is not None and not (isinstance(raw, bytes) and len(raw) == 16):
        raise ValueError(f"{name} is not 16 bytes")
    return UUID(bytes=raw) if raw else None


def _list(name: str, raw: Any) -> list[Any]:
    try:
        if isinstance(raw, str | bytes):
            raw = msgspec.json.decode(raw) if raw else None
    except (ValueError, RecursionError):
        raise ValueError(f"{name} is not JSON") from None
    if not isinstance(raw, list | None):
        raise ValueError(f"{name} is not a list")
    return raw or []


def _moment(name: str, raw: Any) -> datetime | None:
    try:
        read = datetime.fromisoformat(raw) if isinstance(raw, str) else raw
        if not isinstance(read, datetime | None):
            raise ValueError
        if read is None or read.year == NEVER:
            return None
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} is not a time") from None


def incomplete(rows: Rows) -> Iterator[str]:
    """Live rows that lack what they need."""
    for table, needed in NEEDED.items():
        for row in rows[table]:
            lacks = [name for name in needed if not row[name]]
            if row.get("tm_delete") is None and lacks:
                yield f"{table}: row {row[key_of(table)]} is live and has no {', '.join(lacks)}"


def too_long(rows: Rows) -> Iterator[str]:
    """What has no room in our columns."""
    for row in rows[EXTENSIONS]:
        if row["tm_delete"] is None and len(row["endpoint_id"] or "") > NAME_WIDTH:
            yield f"{EXTENSIONS}: row {row['id']}: <extension>@<realm> is longer than {NAME_WIDTH} characters"
    for row in rows[DIRECTS]:
        if len(row["hash"] or "") > HASH_WIDTH:
            yield f"{DIRECTS}: row {row['id']}: its hash is longer than {HASH_WIDTH} characters"


def ambiguous(rows: Rows) -> Iterator[str]:
    """Live extensions whose number is something else to Asterisk: everybody of that realm, or a direct address."""
    for row in rows[EXTENSIONS]:
        if row["tm_delete"] is None and TAKEN_FOR_ELSE.match(str(row["extension"])):
            yield f"{EXTENSIONS}: row {row['id']}: no extension may have the number {row['extension']}"


def clashes(rows: Rows) -> Iterator[str]:
    """Rows that are the same where a rule wants them unique."""
    for rule in RULES:
        first: dict[tuple[Any, ...], Row] = {}
        others: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
        for row in rows[rule.table]:
            key = _compared(rule, row)
            if None not in key and not (rule.live and row["tm_delete"]) and first.setdefault(key, row) is not row:
                others[key].append(row)
        for key, more in others.items():
            said, ids = _what(rule.columns, first[key]), _ids(rule.table, [first[key], *more])
            yield f"{rule.table}: {said} in more than one row: {ids}"


def _compared(rule: Rule, row: Row) -> tuple[Any, ...]:
    """What the rule compares; SQL folds the letters of ASCII alone, so two that it tells apart may be named here."""
    values = ((name, row[name]) for name in rule.columns)
    return tuple(value.lower() if value and name == rule.folded else value for name, value in values)


def _what(columns: Iterable[str], row: Row) -> str:
    """`customer_id …, extension 1001`. A hash is cut, since whoever knows it may call."""
    return ", ".join(f"{name} {row[name][:4] + '…' if name in HASHES else row[name]}" for name in columns)


def _ids(table: str, rows: Iterable[Row]) -> str:
    return ", ".join(str(row[key_of(table)]) for row in rows)
