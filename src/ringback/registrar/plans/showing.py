"""A plan as people see it: a sign and a colour for each change, field by field, old and new."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.text import Text

from ringback.registrar.plans.model import GENERATE, Action, Change, Done, FieldChange, Plan
from ringback.terminal import CONTROLS

SIGNS: Final[dict[Action, tuple[str, str]]] = {
    "create": ("+", "green"),
    "restore": ("+", "green"),
    "change": ("~", "yellow"),
    "delete": ("-", "red"),
}
DOING: Final[tuple[tuple[Action, str], ...]] = (
    ("create", "to create"),
    ("restore", "to restore"),
    ("change", "to change"),
    ("delete", "to delete"),
)


def show_plan(plan: Plan, *, on_stderr: bool = False) -> None:
    """What would be done, and what stays although the file does not name it."""
    show_changes(plan.changes, f"Customer {plan.customer_id}", on_stderr=on_stderr)
    if plan.kept:
        _print([Text(f"not in the file, kept: {', '.join(plan.kept)}", "dim")], on_stderr=on_stderr)


def show_changes(changes: Iterable[Change], title: str, *, on_stderr: bool = False) -> None:
    changes = tuple(changes)
    counts = Counter(one.action for one in changes)
    said = ", ".join(f"{counts[action]} {words}" for action, words in DOING if counts[action])
    lines = [Text(f"{title}: {said or 'no changes'}"), *(line for one in changes for line in _lines(one))]
    _print(lines, on_stderr=on_stderr)


def passwords_of(done: Done) -> list[dict[str, str]]:
    """The passwords that were made, in clear, this once."""
    return [{"kind": one.change.kind, "key": one.change.key, "password": one.secret.reveal()} for one in done.passwords]


def passwords_that_stay(changes: Iterable[Change]) -> list[str]:
    """Whose password an undo leaves as the apply has made it: the one before is known no more."""
    return [f"{one.kind} {one.key}" for one in changes if one.action == "change" and "password" in one.wanted()]


def _lines(change: Change) -> Iterator[Text]:
    sign, colour = SIGNS[change.action]
    yield Text(_clean(f"{sign} {change.kind} {change.key}"), colour)
    if change.action == "delete":
        return
    for one in change.fields:
        if said := _field(change, one):
            yield Text(_clean(f"    {one.field}: {said}"), colour)


def _field(change: Change, one: FieldChange) -> str:
    if one.field == "password":
        return "a new one, shown once" if one.new == GENERATE else f"a new one, of {one.new}"
    if change.action == "restore" and one.field == "direct" and one.new:
        return "true, another address"
    new = msgspec.json.encode(one.new).decode()
    if change.action == "change":
        return f"{msgspec.json.encode(one.old).decode()} → {new}"
    return "" if _is_nothing(one.new) or one.new == change.key else new


def _is_nothing(value: Any) -> bool:
    return value in ("", False, None, [])


def _clean(text: str) -> str:
    return CONTROLS.sub("\ufffd", text)


def _print(lines: Iterable[Text], *, on_stderr: bool) -> None:
    console = Console(stderr=on_stderr, highlight=False, soft_wrap=True)
    for line in lines:
        console.print(line)
