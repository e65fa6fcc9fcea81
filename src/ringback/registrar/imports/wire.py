"""Imports and exports as JSON and CSV."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from ringback.kit.errors import ValidationFailed
from ringback.kit.reading import Asked
from ringback.kit.rows import Row, csv_rows, json_items, json_lines
from ringback.kit.secret import Discreet
from ringback.registrar.extensions.model import Listed
from ringback.registrar.imports.columns import cells_of, sources_of
from ringback.registrar.imports.kinds import KINDS
from ringback.registrar.imports.service import Outcome
from ringback.registrar.trunks.model import AuthType, Trunk

Form = Literal["csv", "json"]


class ExportQuery(Asked, frozen=True, kw_only=True):
    """As what."""

    format: Annotated[Form, msgspec.Meta(description="csv or json")] = "json"


class ImportFault(msgspec.Struct, frozen=True):
    """What is wrong in one line; `field` is empty where it is the line as a whole."""

    line: Annotated[int, msgspec.Meta(description="line of the file, the first being 1; in an array the item")]
    field: str
    description: str


class MadePassword(Discreet, frozen=True):
    """A password that was made for a row without one, shown this once; `name` is the number or the domain name."""

    line: int
    id: UUID
    name: str
    password: str


class ImportResult(msgspec.Struct, frozen=True):
    """What has become of the rows; in a dry run what would. Of many faults the first 10,000 are told."""

    import_id: UUID
    dry_run: bool
    created: int
    updated: int
    unchanged: int
    skipped: int
    failed: int
    faults: list[ImportFault]
    passwords: list[MadePassword]


class ExtensionRow(msgspec.Struct, frozen=True):
    """An extension as a row that can be imported again; its password is nobody's to read."""

    extension: str
    username: str
    name: str
    detail: str
    direct: bool


class TrunkRow(msgspec.Struct, frozen=True):
    """A trunk as a row that can be imported again; its password is nobody's to read."""

    domain_name: str
    auth_types: tuple[AuthType, ...]
    username: str
    allowed_ips: tuple[str, ...]
    name: str
    detail: str
    outbound: bool


ROWS: Mapping[str, type[msgspec.Struct]] = {"extension": ExtensionRow, "trunk": TrunkRow}


def rows_of(
    kind: str, media: str, parts: AsyncIterator[bytes], columns: str | None = None, encoding: str = "utf-8"
) -> AsyncIterator[Row]:
    """The rows of a file of that media type; `columns` says what those of a CSV of another program are."""
    if media == "text/csv":
        cells, sources = (cells_of(kind), sources_of(kind, columns)) if columns else (KINDS[kind].cells, None)
        return csv_rows(parts, cells, [KINDS[kind].key], sources, encoding)
    if columns is not None:
        raise ValidationFailed(columns="is for CSV alone")
    return json_items(parts) if media == "application/json" else json_lines(parts)


def result(of: Outcome) -> ImportResult:
    counts = of.counts
    return ImportResult(
        import_id=of.id,
        dry_run=of.dry_run,
        created=counts["create"],
        updated=counts["update"],
        unchanged=counts["unchanged"],
        skipped=counts["skip"],
        failed=counts["fail"],
        faults=[ImportFault(one.line, one.field, one.description) for one in of.faults],
        passwords=[MadePassword(line, one.id, one.name, one.password.reveal()) for line, one in of.passwords.items()],
    )


def row_of(one: Listed | Trunk) -> ExtensionRow | TrunkRow:
    if isinstance(one, Listed):
        return ExtensionRow(one.number, one.username, one.name, one.detail, one.direct_id is not None)
    return TrunkRow(one.domain_name, one.auth_types, one.username, one.allowed_ips, one.name, one.detail, one.outbound)


def csv_of(rows: Iterable[Iterable[object]]) -> bytes:
    """Lines of CSV (RFC 4180); a list is its items with spaces between."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(value) if isinstance(value, tuple) else str(value)
