"""The file of a plan: what may stand in it, all its faults with their places, and how it is written."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Generic, TypeVar

from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.reading import Asked, read, rule
from ringback.kit.secret import Secret
from ringback.registrar.asked import PASSWORD, Text
from ringback.registrar.extensions.wire import Number
from ringback.registrar.extensions.wire import Username as PhoneName
from ringback.registrar.plans.model import GENERATE, State, fields_of
from ringback.registrar.trunks.wire import AllowedIps, AuthTypes, DomainName, Outbound
from ringback.registrar.trunks.wire import Username as TrunkName

VERSION: Final = "1"
NAMES: Final = ("version", "customer", "prune", "extensions", "trunks")
SOURCE: Final = re.compile(r"generate|env:[A-Za-z_][A-Za-z0-9_]*|file:.+")
LONGEST: Final = 4096
"""Bytes of a file that holds a password."""

Source = Annotated[
    str, rule("generate, env:NAME or file:PATH: it stands elsewhere", lambda text: SOURCE.fullmatch(text) is not None)
]


class ExtensionInFile(Asked, frozen=True, kw_only=True):
    """An extension that shall be; what it does not say stays as it is."""

    extension: Number
    username: PhoneName | None = None
    name: Text | None = None
    detail: Text | None = None
    direct: bool | None = None
    password: Source | None = None


class TrunkInFile(Asked, frozen=True, kw_only=True):
    """A trunk that shall be; what it does not say stays as it is."""

    domain_name: DomainName
    auth_types: AuthTypes
    username: TrunkName | None = None
    allowed_ips: AllowedIps | None = None
    outbound: Outbound | None = None
    name: Text | None = None
    detail: Text | None = None
    password: Source | None = None


T = TypeVar("T", ExtensionInFile, TrunkInFile)


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One object of the file, and where in it."""

    path: str
    asked: T


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a file says. A kind of objects that it does not name at all is `None`, and none of its business."""

    customer: str | None = None
    prune: bool = False
    extensions: tuple[Item[ExtensionInFile], ...] | None = None
    trunks: tuple[Item[TrunkInFile], ...] | None = None
    secrets: Mapping[str, Secret] = field(default_factory=dict)


def wanted(raw: Any, faults: Iterable[Fault], folder: Path, environment: Mapping[str, str] = os.environ) -> Wanted:
    """What the document wants; `ValidationFailed` names every fault, `field` is its path in the document.

    Passwords come from the environment, and from files, relative to the document's `folder`.
    """
    found = list(faults)
    if not isinstance(raw, dict):
        raise ValidationFailed(*found, Fault("", "must be an object with version, extensions and trunks"))
    found += [Fault(name, f"is not one of {', '.join(NAMES)}") for name in raw if name not in NAMES]
    if raw.get("version") != VERSION:
        found.append(Fault("version", f"must be {VERSION}"))
    if not isinstance(raw.get("customer"), str | None):
        found.append(Fault("customer", "must be the customer's id, label or realm"))
    if not isinstance(raw.get("prune"), bool | None):
        found.append(Fault("prune", "must be true or false"))
    extensions = _items(raw, "extensions", ExtensionInFile, "extension", found)
    trunks = _items(raw, "trunks", TrunkInFile, "domain_name", found)
    secrets = dict(_secrets([*(extensions or ()), *(trunks or ())], folder, environment, found))
    if found:
        raise ValidationFailed(*found)
    return Wanted(raw.get("customer"), raw.get("prune") or False, extensions, trunks, secrets)


def _items(raw: Any, section: str, shape: type[T], key: str, faults: list[Fault]) -> tuple[Item[T], ...] | None:
    if section not in raw:
        return None
    if not isinstance(raw[section], list):
        faults.append(Fault(section, "must be a list"))
        return None
    items: list[Item[T]] = []
    seen: dict[str, str] = {}
    for number, one in enumerate(raw[section]):
        path = f"{section}[{number}]"
        if not isinstance(one, dict):
            faults.append(Fault(path, "must be an object"))
            continue
        try:
            item = Item(path, read(shape, one, refuse_unknown=True))
        except ValidationFailed as failure:
            faults += [Fault(f"{path}.{fault.field}", fault.description) for fault in failure.faults]
            continue
        name = str(getattr(item.asked, key)).lower()
        if name in seen:
            faults.append(Fault(f"{path}.{key}", f"stands twice, first in {seen[name]}"))
        seen.setdefault(name, path)
        items.append(item)
    return tuple(items)


def _secrets(
    items: Iterable[Item[Any]], folder: Path, environment: Mapping[str, str], faults: list[Fault]
) -> Iterator[tuple[str, Secret]]:
    """The passwords that the file speaks of, by what it says of each."""
    for item in items:
        source = item.asked.password
        if source is None or source == GENERATE:
            continue
        kind, _, name = source.partition(":")
        text = environment.get(name) if kind == "env" else _text_of(folder / name)
        if text is None:
            faults.append(Fault(f"{item.path}.password", f"is not there: {source}"))
        elif not PASSWORD.fullmatch(text):
            told = "must be 8 to 80 printable ASCII characters without space, ; and ^"
            faults.append(Fault(f"{item.path}.password", f"{told}: {source}"))
        else:
            yield source, Secret(text)


def _text_of(file: Path) -> str | None:
    """Its first line, for a file that is not too long to hold a password."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(LONGEST)
        return raw.decode().removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError):
        return None


def written(state: State) -> dict[str, Any]:
    """The file that says what is there already: a plan of it has no changes. It holds no password."""
    return {
        "version": int(VERSION),
        "customer": str(state.customer_id),
        "extensions": [fields_of(one) for one in state.extensions.values()],
        "trunks": [fields_of(one) for one in state.trunks.values()],
    }
