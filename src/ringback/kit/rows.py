"""Rows out of a stream of bytes: CSV as programs write it, a JSON array, JSON line by line; never all of it at once."""

import asyncio
import codecs
import csv
import json
import re
from collections.abc import AsyncIterator, Callable, Collection, Mapping
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
BROKEN: Final = "cannot be read from here on: "
UNKNOWN: Final = "is not a column: there are "
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

    def __init__(self, line: int, description: str, field: str = "") -> None:
        super().__init__(description)
        self.line = line
        self.fault = Fault(field, description)


Cell = Callable[[str], object]
"""What a cell's text says; `None` is nothing."""


async def csv_rows(
    parts: AsyncIterator[bytes], columns: Mapping[str, Cell], needed: Collection[str]
) -> AsyncIterator[Row]:
    """The rows of a CSV (RFC 4180) with a header, separated by comma, semicolon or tab; `Unreadable` where it ends.

    The header's names may stand in any order and letter case, with spaces or hyphens for underscores.
    """
    names: list[str] | None = None
    async for line, cells in _records(_lines(_texts(parts))):
        if names is None:
            names = _header(line, cells, columns, needed)
        elif isinstance(cells, Fault):
            yield Row(line, {}, (cells,))
        elif any(cells):
            yield _row(line, names, cells, columns)
    if names is None:
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


async def _texts(parts: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The text of UTF-8, without its mark at the beginning."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, first = 1, True
    async for part in parts:
        try:
            text = decoder.decode(part)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].count(b"\n")
            raise Unreadable(line, BROKEN + "it is not UTF-8") from None
        line += text.count("\n")
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        yield text
        await asyncio.sleep(0)  # whoever else has a request goes first
    if decoder.getstate()[0]:
        raise Unreadable(line, BROKEN + "it is not UTF-8")


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


def _header(line: int, cells: Any, columns: Mapping[str, Cell], needed: Collection[str]) -> list[str]:
    if isinstance(cells, Fault):
        raise Unreadable(line, cells.description)
    names = [re.sub(r"[ -]+", "_", cell.strip().lower()) for cell in cells]
    for number, name in enumerate(names):
        if name not in columns:
            raise Unreadable(line, UNKNOWN + ", ".join(columns), cells[number])
        if name in names[:number]:
            raise Unreadable(line, "stands twice in the header", name)
    for name in needed:
        if name not in names:
            raise Unreadable(line, "is required in the header", name)
    return names


def _row(line: int, names: list[str], cells: list[str], columns: Mapping[str, Cell]) -> Row:
    if len(cells) != len(names):
        return Row(line, {}, (Fault("", f"has {len(cells)} cells where the header has {len(names)}"),))
    said = {name: columns[name](cell) for name, cell in zip(names, cells, strict=True) if cell}
    return Row(line, {name: value for name, value in said.items() if value is not None})


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
