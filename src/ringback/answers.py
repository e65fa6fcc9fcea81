"""What commands answer: tables for people, JSON and YAML for programs."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ringback.kit.secret import Secret
from ringback.terminal import CONTROLS, say

PIPE_WIDTH: Final = 200
"""Columns of a table that no terminal shows."""
WIDE: Final = 140


class Form(StrEnum):
    """How a command answers."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


AsForm = Annotated[Form, typer.Option("--format", "--output", help="table for people, json and yaml for programs")]


def show(data: object, form: Form = Form.JSON) -> None:
    """One JSON or YAML document on stdout, and nothing else."""
    if form is Form.YAML:
        print(yaml_of(data), end="")  # noqa: T201
    else:
        print(msgspec.json.format(msgspec.json.encode(data)).decode())  # noqa: T201


def yaml_of(data: object) -> str:
    """YAML that says the same as the JSON would."""
    return msgspec.yaml.encode(msgspec.json.decode(msgspec.json.encode(data))).decode()


def show_fields(fields: Mapping[str, object], title: str, *, on_stderr: bool = False) -> None:
    table = Table(title=_cell(title), title_justify="left", show_header=False)
    for name, value in fields.items():
        table.add_row(name, _cell(value))
    (Console(stderr=True) if on_stderr else _console()).print(table)


def is_wide() -> bool:
    """Whether a table of many columns keeps each row in one line."""
    return _console().width >= WIDE


def show_rows(rows: Sequence[Mapping[str, object]], columns: Sequence[str], title: str) -> None:
    if not rows:
        say(f"{title}: none")
        return
    table = Table(title=_cell(title), title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    _console().print(table)


def show_object(document: Mapping[str, object], form: Form, title: str) -> None:
    """A JSON object: as it is, or as a table of its fields but for those that are null."""
    if form is not Form.TABLE:
        show(document, form)
        return
    rows = [{"field": name, "value": _text(value)} for name, value in document.items() if value is not None]
    show_rows(rows, ("field", "value"), title)


def show_list(objects: Sequence[Mapping[str, object]], form: Form, columns: Sequence[str], title: str) -> None:
    """JSON objects: as they are, or as a table of some of their fields."""
    if form is not Form.TABLE:
        show(objects, form)
        return
    show_rows([{name: _text(one.get(name)) for name in columns} for one in objects], columns, title)


def _text(value: object) -> str | None:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def show_secret(secret: Secret | None) -> None:
    """A clear password, the one time it is shown."""
    if secret:
        say(f"password: {secret.reveal()}   (shown this once)")


def _console() -> Console:
    return Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)


def _cell(value: object) -> Text:
    """Text as it is: no markup of ours, no control character of somebody else's (a phone names itself)."""
    if isinstance(value, datetime):
        value = value.isoformat().replace("+00:00", "Z")
    return Text("" if value is None else CONTROLS.sub("\ufffd", str(value)))
