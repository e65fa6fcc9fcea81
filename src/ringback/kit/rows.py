"""Rows out of a stream of bytes: CSV as programs write it, a JSON array, JSON line by line; never all of it at once."""

import asyncio
import codecs
import csv
import json
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from ringback.kit.errors import Fault

LONGEST: Final = 1 << 16
"""Characters of one row."""
MOST_LINES: Final = 100
"""Lines of one row, whose quoted cells may hold line ends."""
MOST_IN_ALL: Final = 300_000
"""Lines of one file, the empty ones included."""
SEPARATORS: Final = (",", ";", "\t")
ENCODINGS: Final = (
    *("utf-8", "utf-16", "big5", "gb18030", "iso-8859-1", "iso-8859-2", "iso-8859-15", "koi8-r", "shift_jis"),
    *(f"windows-{number}" for number in range(1250, 1259)),
)
"""What a CSV may be written in."""
BROKEN: Final = "cannot be read from here on: "
OTHER: Final = "; a CSV of a spreadsheet may be windows-1252: name that (charset of its type, --encoding)"
OPEN: Final = "unexpected end of data"
"""What the library says of a quote that is not closed."""
SPACE: Final = re.compile(r"[ \t\r\n]*")


class Row(NamedTuple):
    """One row: where it begins (a line of the file, the first being 1; an item of an array), what it says, its faults.

    After a fault of the whole (`Unreadable`) nothing comes any more.
    """

    line: int
    fields: dict[str, object]
    faults: tuple[Fault, ...] = ()


class Unreadable(Exception):
    """The rest of the stream cannot be read."""

    def __init__(self, line: int, *faults: Fault | str) -> None:
        self.line = line
        self.faults = tuple(Fault("", one) if isinstance(one, str) else one for one in faults)
        super().__init__(str(self.faults))


Cell = Callable[[str], object]
"""What a cell's text says; `None` is nothing, a `Fault` what is wrong with it."""
Sources = Mapping[str, Sequence[str]]
"""Column that is wanted → columns of the file whose texts it is, with spaces between."""


def encoding_of(name: str) -> str | None:
    """The one of `ENCODINGS` that has this name among others; `None` if there is none."""
    try:
        wanted = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return next((one for one in ENCODINGS if codecs.lookup(one).name == wanted), None)


async def csv_rows(
    parts: AsyncIterator[bytes],
    columns: Mapping[str, Cell],
    needed: Collection[str],
    sources: Sources | None = None,
    encoding: str = ENCODINGS[0],
) -> AsyncIterator[Row]:
    """The rows of a CSV (RFC 4180) with a header, separated by comma, semicolon or tab; `Unreadable` where it ends.

    The header's names may stand in any order and letter case, with spaces or hyphens for underscores. With `sources`
    they are another program's, and all others are passed over; without, a name that is not among `columns` is a fault.
    """
    header: _Header | None = None
    async for line, cells in _records(_lines(_texts(parts, encoding))):
        if header is None:
            header = _Header(line, cells, columns, needed, sources)
        elif isinstance(cells, Fault):
            yield Row(line, {}, (cells,))
        elif any(cells):
            yield header.row(line, cells)
    if header is None:
        raise Unreadable(1, "is empty: a header with the names of the columns comes first")


async def json_lines(parts: AsyncIterator[bytes]) -> AsyncIterator[Row]:
    """The objects of a JSON text in each line; empty lines count, and say nothing."""
    number = 0
    async for line in _lines(_texts(parts)):
        number += 1
        if line.strip():
            yield _object(number, _decoded(line))


async def json_items(parts: AsyncIterator[bytes]) -> AsyncIterator[Row]:
    """The objects of a JSON array, numbered from 1; `Unreadable` where it is none."""
    array = _Array()
    async for text in _texts(parts):
        for row in array.more(text):
            yield row
    for row in array.more("", last=True):
        yield row


async def _texts(parts: AsyncIterator[bytes], encoding: str = ENCODINGS[0]) -> AsyncIterator[str]:
    """The text, without its mark at the beginning."""
    decoder = codecs.getincrementaldecoder(encoding)()
    other = f"{BROKEN}it is not {encoding.upper()}{OTHER if encoding == ENCODINGS[0] else ''}"
    line, first = 1, True
    async for part in parts:
        try:
            text = decoder.decode(part)
        except UnicodeError as error:
            line += error.object[: error.start].count(b"\n") if isinstance(error, UnicodeDecodeError) else 0
            raise Unreadable(line, other) from None
        line += text.count("\n")
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        yield text
        await asyncio.sleep(0)  # whoever else has a request goes first
    if decoder.getstate()[0]:
        raise Unreadable(line, other)


async def _lines(texts: AsyncIterator[str]) -> AsyncIterator[str]:
    number, rest = 0, ""
    async for text in texts:
        *whole, rest = (rest + text).split("\n")
        for line in whole:
            number += 1
            if number > MOST_IN_ALL:
                raise Unreadable(number, f"{BROKEN}there are more than {MOST_IN_ALL} lines")
            yield line + "\n"
        if len(rest) > LONGEST:
            raise Unreadable(number + 1, f"{BROKEN}the line is longer than {LONGEST} characters")
    if rest:
        yield rest


async def _records(lines: AsyncIterator[str]) -> AsyncIterator[tuple[int, Any]]:
    """(line, cells) of each record, or (line, fault)."""
    separator, number, opened = "", 0, list[str]()
    async for line in lines:
        number += 1
        if not separator and (said := re.fullmatch(r"sep=(.)\r?\n?", line, re.IGNORECASE)):  # for a spreadsheet
            separator = said[1]
            continue
        separator = separator or max(SEPARATORS, key=line.count)
        opened.append(line)
        found = _cells(opened, separator)
        if found is None and len(opened) < MOST_LINES:
            continue
        begin = number - len(opened) + 1
        if found is None:
            break
        yield begin, found
        opened = []
    if opened:
        raise Unreadable(number - len(opened) + 1, BROKEN + "a quote is not closed")


def _cells(lines: list[str], separator: str) -> list[str] | Fault | None:
    """The cells, or what is wrong with them; `None` where they go on in the next line."""
    try:
        return next(csv.reader(lines, delimiter=separator, strict=True), [])
    except csv.Error as error:
        return None if str(error) == OPEN else Fault("", f"is no row of CSV: {error}")


class _Header:
    """The first line, and how those that follow it are read."""

    def __init__(
        self, line: int, cells: Any, columns: Mapping[str, Cell], needed: Collection[str], sources: Sources | None
    ) -> None:
        if isinstance(cells, Fault):
            raise Unreadable(line, cells)
        names = [_name(cell) for cell in cells]
        unknown = f"is not a column: there are {', '.join(columns)}; what others mean is said by `columns`"
        if sources is None and not set(names) & set(columns):
            raise Unreadable(line, Fault(cells[0] if cells else "", unknown))
        given = zip(names, cells, strict=True) if sources is None else ()
        faults = [Fault(cell, unknown) for name, cell in given if name not in columns]
        wanted = dict.fromkeys(name for those in sources.values() for name in those) if sources else columns
        faults += [Fault(name, "stands twice in the header") for name in wanted if names.count(_name(name)) > 1]
        asked = needed if sources is None else wanted
        faults += [Fault(name, "is required in the header") for name in asked if _name(name) not in names]
        if faults:
            raise Unreadable(line, *faults)
        self._width = len(names)
        self._places = [
            (columns[field], field, [names.index(_name(name)) for name in those])
            for field, those in (sources or {name: [name] for name in names}).items()
        ]

    def row(self, line: int, cells: list[str]) -> Row:
        if len(cells) != self._width:
            return Row(line, {}, (Fault("", f"has {len(cells)} cells where the header has {self._width}"),))
        said: dict[str, object] = {}
        for read, field, places in self._places:
            text = cells[places[0]] if len(places) == 1 else " ".join(" ".join(cells[at] for at in places).split())
            if text and (value := read(text)) is not None:
                said[field] = value
        faults = [Fault(field, value.description) for field, value in said.items() if isinstance(value, Fault)]
        return Row(line, said, tuple(faults))


def _name(cell: str) -> str:
    """A column's name, in whatever spelling."""
    return re.sub(r"[ -]+", "_", cell.strip().lower())


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Fault("", "is not JSON")


def _object(number: int, value: object) -> Row:
    if isinstance(value, Fault):
        return Row(number, {}, (value,))
    if not isinstance(value, dict):
        return Row(number, {}, (Fault("", "must be a JSON object"),))
    return Row(number, value)


def _refuse(word: str) -> None:
    raise ValueError(word)


class _Array:
    """A JSON array that comes in pieces."""

    def __init__(self) -> None:
        self._decoder = json.JSONDecoder(parse_constant=_refuse)
        self._text = ""
        self._number = 0
        self._next = "["
        """What may come: the beginning, an item or the end, an item, a comma or the end, nothing."""

    def more(self, text: str, *, last: bool = False) -> list[Row]:
        """The items that are whole."""
        rows: list[Row] = []
        self._text += text
        at = self._skip(0)
        while at < len(self._text):
            if self._next in ("[", ",", ""):
                self._mark(self._text[at])
            elif self._next == "item or ]" and self._text[at] == "]":
                self._next = ""
            elif (found := self._item(at, last=last)) is None:
                break
            else:
                value, at = found
                self._number, self._next = self._number + 1, ","
                rows.append(_object(self._number, value))
                at = self._skip(at)
                continue
            at = self._skip(at + 1)
        self._text = self._text[at:]
        if last and self._next:
            raise Unreadable(self._number + 1, BROKEN + "the JSON array has no end")
        return rows

    def _mark(self, character: str) -> None:
        if self._next == "[" and character == "[":
            self._next = "item or ]"
        elif self._next == "," and character in ",]":
            self._next = "item" if character == "," else ""
        else:
            raise Unreadable(self._number + 1, BROKEN + "it is no JSON array")

    def _item(self, at: int, *, last: bool) -> tuple[object, int] | None:
        try:
            value, end = self._decoder.raw_decode(self._text, at)
        except (ValueError, RecursionError):
            if last or len(self._text) - at > LONGEST:
                raise Unreadable(self._number + 1, BROKEN + "it is not JSON") from None
            return None
        return value, end

    def _skip(self, at: int) -> int:
        found = SPACE.match(self._text, at)
        return found.end() if found else at
