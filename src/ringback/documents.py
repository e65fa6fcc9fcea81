"""One object in a file of JSON or YAML, as a command is given it."""

import sys
from datetime import date
from math import isfinite
from pathlib import Path
from typing import Any, Final

import msgspec

from ringback.kit.errors import CannotStart

STDIN: Final = "-"


def read_object(file: str, flag: str = "--file") -> dict[str, Any]:
    """What the file holds, `-` is standard input; `CannotStart`, which names the flag, unless that is one object that
    JSON could say."""
    try:
        raw = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
    except (OSError, ValueError) as error:
        raise CannotStart(f"{flag}: {file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    is_json = raw.lstrip().startswith(b"{")
    try:
        found = msgspec.json.decode(raw) if is_json else msgspec.yaml.decode(raw)
        found = _plain(found)
    except RecursionError:
        raise CannotStart(f"{flag}: {file} is nested too deeply") from None
    except (msgspec.DecodeError, ValueError) as error:
        told = " ".join(str(error).split())
        raise CannotStart(f"{flag}: {file} is no {'JSON' if is_json else 'YAML'}: {told}") from None
    if not isinstance(found, dict):
        raise CannotStart(f"{flag}: {file} must hold one object")
    return found


def _plain(value: Any) -> Any:
    """The same as JSON would have it; `ValueError` for what it cannot say. YAML takes days for more than text."""
    if isinstance(value, dict):
        if strange := [name for name in value if not isinstance(name, str)]:
            raise ValueError(f"the name {strange[0]!r} must be in quotes")
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and isfinite(value)):
        return value
    raise ValueError(f"{value!r} is nothing that JSON can say")
