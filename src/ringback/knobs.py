"""Settings read once: flag, then environment, then file, then default; and how `--help` shows them."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic_core import PydanticUndefined

from ringback.kit.errors import CannotStart
from ringback.settings import Settings


class Knob(BaseModel):
    """One setting as `--help` shows it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    name: str
    flag: str
    variable: str
    default: str
    meaning: str


def knobs(kind: type[Settings] = Settings) -> list[Knob]:
    """The settings of that kind in their order. What must be given has no default."""
    found = []
    own_first = dict.fromkeys(name for one in kind.__mro__ for name in vars(one).get("__annotations__", ()))
    for name in filter(kind.model_fields.__contains__, own_first):
        field = kind.model_fields[name]
        default = field.get_default()
        default = "" if default in (None, PydanticUndefined) or isinstance(default, SecretStr) else str(default)
        meaning = field.description or ""
        found.append(Knob(name=name, flag=f"--{name}", variable=name.upper(), default=default, meaning=meaning))
    return found


def settings_last(arguments: Sequence[str]) -> list[str]:
    """The same command line with the settings, and other flags of many commands, behind the command: it reads them."""
    flags = {knob.flag for knob in knobs()} | {"--config", "--format", "--output", "--url", "--key_file"}
    front, back, rest = list[str](), list[str](), list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, _ = word.partition("=")
        flag = name.replace("-", "_").replace("__", "--", 1)
        if flag == "--local":
            back.append(word)
        elif flag in flags:
            back += [word] if equals or not rest else [word, rest.pop(0)]
        else:
            front.append(word)
    return front + back if front else back


def load(flags: Mapping[str, Any], config: Path | None = None, kind: type[Settings] = Settings) -> Settings:
    """Settings from everywhere. `CannotStart` names the first unusable key, never its value."""
    from_file = _file(config) if config else {}
    env = {name.lower() for name, value in os.environ.items() if value}
    given = {name: value for name, value in from_file.items() if name not in env}
    given |= {name: value for name, value in flags.items() if value is not None}
    try:
        return kind(**given)
    except ValidationError as error:
        raise CannotStart(_line(error)) from None


def _file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise CannotStart(f"{path} cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise CannotStart(f"{path} is not TOML: {error}") from None


def _line(error: ValidationError) -> str:
    faults = []
    for item in error.errors(include_input=False, include_url=False):
        key = ".".join(str(part) for part in item["loc"])
        text = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        text = "is required" if item["type"] == "missing" else text
        if item["type"] == "extra_forbidden":
            near = get_close_matches(key, Settings.model_fields, n=1)
            text = f"is not a setting; did you mean {near[0]}?" if near else "is not a setting"
        faults.append(f"{key}: {text}" if key else text)
    return "; ".join(faults)
