"""Files of other programs: which of their columns say what, by name or by the program's name."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.rows import Cell
from ringback.registrar.imports.judge import ImportQuery
from ringback.registrar.imports.kinds import KINDS

PROGRAMS: Final[Mapping[str, Mapping[str, str]]] = {
    "extension": {
        "3cx": "Number:extension,FirstName+LastName:name,AuthID:username,AuthPassword:password",
        "freepbx": "extension:extension,name:name,secret:password",
        "wazo": "exten:extension,firstname+lastname:name,sip_username:username,sip_secret:password",
    },
    "trunk": {},
}
"""Kind → program → what its export means, in the words of `columns`."""
FLOAT: Final = re.compile(r"([0-9]+)\.0+")
ROUNDED: Final = re.compile(r"[0-9](\.[0-9]+)?[Ee]\+?[0-9]+")
LOST: Final = Fault("", "was a number to a spreadsheet, which has rounded it: make its column text, and save it again")


class ExtensionImport(ImportQuery, frozen=True, kw_only=True):
    """How rows become extensions."""

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        return _read("extension", values.get("columns"))[1]


class TrunkImport(ImportQuery, frozen=True, kw_only=True):
    """How rows become trunks."""

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        return _read("trunk", values.get("columns"))[1]


QUERIES: Final[Mapping[str, type[ImportQuery]]] = {"extension": ExtensionImport, "trunk": TrunkImport}


def sources_of(kind: str, columns: str) -> dict[str, list[str]]:
    """Field → columns of the file; `ValidationFailed` says all that is wrong with `columns`."""
    found, faults = _read(kind, columns)
    if faults:
        raise ValidationFailed(*faults)
    return found


def cells_of(kind: str) -> dict[str, Cell]:
    """How the cells of another program are read: numbers may have been through a spreadsheet."""
    return {name: _number if name in ("extension", "username") else cell for name, cell in KINDS[kind].cells.items()}


def _number(text: str) -> object:
    text = text.strip()
    if ROUNDED.fullmatch(text):
        return LOST
    return (whole[1] if (whole := FLOAT.fullmatch(text)) else text) or None


def _read(kind: str, columns: str | None) -> tuple[dict[str, list[str]], list[Fault]]:
    if columns is None:
        return {}, []
    programs, fields = PROGRAMS[kind], KINDS[kind].cells
    found: dict[str, list[str]] = {}
    wrong: list[str] = []
    for part in ",".join(programs.get(word.strip().lower(), word) for word in columns.split(",")).split(","):
        names, _, field = (text.strip() for text in part.rpartition(":"))
        its = [name.strip() for name in names.split("+")]
        if not all(its):
            wrong.append(
                f"has {part!r}, which is neither column:field nor one of {', '.join(programs) or 'no programs'}"
            )
        elif field not in fields:
            wrong.append(f"has {field!r}, which is not a field: there are {', '.join(fields)}")
        elif field in found:
            wrong.append(f"says {field} twice: columns whose texts belong together have + between them")
        found.setdefault(field, its)
    if not wrong and KINDS[kind].key not in found:
        wrong.append(f"must say which column is {KINDS[kind].key}")
    return found, [Fault("columns", one) for one in wrong]
