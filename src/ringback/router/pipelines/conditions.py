"""Whether a condition of a policy (`when`) holds for a request (router P-1); no JSON makes it raise."""

from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any, Final

ABSENT: Final = object()
"""What a variable is that the context does not have."""
ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {">": gt, "<": lt, ">=": ge, "<=": le}
OPERATORS: Final = frozenset(("==", "!=", "in", *ORDERS))


def holds(when: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    """Whether each key of it is true: an operator with two operands, or a key of the context with what it may be."""
    return all(_is_true(key, value, context) for key, value in when.items())


def found(path: str, context: Mapping[str, Any]) -> Any:
    """What `context.a.b` is, or `ABSENT`; a path that does not begin with `context.` leads nowhere."""
    first, *names = path.split(".")
    value: Any = context if first == "context" and names else ABSENT
    for name in names:
        value = value.get(name, ABSENT) if isinstance(value, Mapping) else ABSENT
    return value


def is_equal(one: Any, other: Any) -> bool:
    """The same JSON, at any depth: 1 is 1.0, and true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_equal, one, other))
    return bool(one == other)


def _is_true(key: str, value: Any, context: Mapping[str, Any]) -> bool:
    if key not in OPERATORS:
        here = context[key] if key in context else found(key, context)
        return here is not ABSENT and _is_one_of(here, value if isinstance(value, list) else [value])
    if not isinstance(value, list) or len(value) != 2:
        return False
    one, other = (_operand(operand, context) for operand in value)
    if one is ABSENT or other is ABSENT:
        return False
    if key == "in":
        return isinstance(other, list) and _is_one_of(one, other)
    if key in ORDERS:
        return _kind(one) is not None and _kind(one) is _kind(other) and ORDERS[key](one, other)
    return is_equal(one, other) is (key == "==")


def _operand(value: Any, context: Mapping[str, Any]) -> Any:
    """A literal, or what `{"var": "context.a.b"}` stands for."""
    if not (isinstance(value, Mapping) and value.keys() == {"var"}):
        return value
    path = value["var"]
    return found(path, context) if isinstance(path, str) else ABSENT


def _is_one_of(one: Any, others: list[Any]) -> bool:
    return any(is_equal(one, other) for other in others)


def _kind(value: Any) -> type | None:
    """What it can be put in order with: numbers and texts with their own; nothing with anything else."""
    if isinstance(value, bool):
        return None
    return float if isinstance(value, int | float) else str if isinstance(value, str) else None
