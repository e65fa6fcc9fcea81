"""A document of YAML, which JSON is too, with the line of each of its values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from ringback.kit.errors import Fault

LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TAG: Final = "tag:yaml.org,2002:"
TRUE: Final = ("true", "yes", "on")
DEEPEST: Final = 10
"""Objects and lists within each other."""


class Unreadable(ValueError):
    """A text that is no document at all, and in which line that shows."""

    def __init__(self, line: int, told: str) -> None:
        self.line = line
        super().__init__(told)


@dataclass(slots=True)
class Marked:
    """`value` holds objects, lists, texts, true, false and null: numbers and days are the text that was written.

    `lines` has the line of each value by its path, `list[2].name`.
    """

    value: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line_of(self, path: str) -> int:
        """Of the value there or, where there is none, of what it would stand in."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)


def read(raw: bytes) -> Marked:
    """What the bytes say; `Unreadable` for what is no YAML. Names that stand twice are faults."""
    _refuse_references(raw)
    try:
        root = yaml.compose(raw, LOADER)
    except (yaml.YAMLError, RecursionError) as error:
        raise _unreadable(error) from None
    marked = Marked()
    if root is not None:
        marked.value = _value(marked, root, "", 0)
    return marked


def _refuse_references(raw: bytes) -> None:
    """A few lines of anchors and aliases can stand for gigabytes, and a value from elsewhere has no line of its own."""
    try:
        for event in yaml.parse(raw, LOADER):
            if isinstance(event, yaml.AliasEvent):
                raise Unreadable(event.start_mark.line + 1, "aliases are not read")
    except (yaml.YAMLError, RecursionError) as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> Unreadable:
    mark = getattr(error, "problem_mark", None)
    told = getattr(error, "problem", None) or ("it is nested too deeply" if isinstance(error, RecursionError) else "")
    return Unreadable(mark.line + 1 if mark else 1, told or "it holds characters that no text may hold")


def _value(marked: Marked, node: yaml.Node, path: str, depth: int) -> Any:
    marked.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if depth == DEEPEST:
        marked.faults.append(Fault(path, "is nested too deeply"))
        return None
    if isinstance(node, yaml.SequenceNode):
        return [_value(marked, one, f"{path}[{number}]", depth + 1) for number, one in enumerate(node.value)]
    return _object(marked, node, path, depth)


def _object(marked: Marked, node: yaml.MappingNode, path: str, depth: int) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for key, one in node.value:
        if not isinstance(key, yaml.ScalarNode):
            marked.faults.append(Fault(path, "has a name that is no text"))
            continue
        name = str(key.value)
        at = f"{path}.{name}" if path else name
        if name in found:
            marked.faults.append(Fault(at, f"stands twice, first in line {marked.lines[at]}"))
        marked.lines[at] = key.start_mark.line + 1
        found[name] = _value(marked, one, at, depth + 1)
    return found


def _scalar(node: yaml.ScalarNode) -> str | bool | None:
    if node.tag == f"{TAG}null":
        return None
    return node.value.lower() in TRUE if node.tag == f"{TAG}bool" else str(node.value)
