"""What a condition of a policy (`when`) may say (router P-1); whether it holds is the pipeline's to know."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ringback.kit.errors import Fault

OPERATORS: Final = ("==", "!=", ">", "<", ">=", "<=", "in")
MOST_KEYS: Final = 16
SERVER_VALUES: Final = frozenset(("tenant_id", "policy_id", "environment", "message_type", "trace_id"))
"""What of the context no client can say."""
KEY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,254}")
"""A key of the context; a misspelt operator is none."""
VARIABLE: Final = re.compile(r"context(\.[A-Za-z0-9_:/@-]{1,255}){1,10}")


def faults(place: str, when: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with it."""
    if len(when) > MOST_KEYS:
        yield Fault(place, f"must have at most {MOST_KEYS} keys", "too_large")
        return
    for key, value in when.items():
        if key in OPERATORS:
            if not (isinstance(value, list) and len(value) == 2 and all(map(_is_operand, value))):
                told = 'must be a list of two, each a value or {"var": "context.NAME"}'
                yield Fault(f"{place}.{key}", told, "wrong_type")
        elif not KEY.fullmatch(key):
            yield Fault(f"{place}.{key[:64]}", "is neither an operator nor a key of the context", "unknown_field")
        elif not _is_literal(value):
            yield Fault(
                f"{place}.{key}", "must be a text, a number, true, false, null, or a list of them", "wrong_type"
            )


def asks_the_client(when: Mapping[str, Any]) -> bool:
    """Whether anything that it looks at is what a client says of itself."""
    return not {_root(name) for name in _names(when)} <= SERVER_VALUES


def _names(when: Mapping[str, Any]) -> Iterator[str]:
    for key, value in when.items():
        if key in OPERATORS:
            yield from (one["var"] for one in value if isinstance(one, Mapping))
        else:
            yield key


def _root(name: str) -> str:
    return name.removeprefix("context.").partition(".")[0]


def _is_operand(value: object) -> bool:
    if isinstance(value, Mapping):
        return value.keys() == {"var"} and isinstance(value["var"], str) and bool(VARIABLE.fullmatch(value["var"]))
    return _is_literal(value)


def _is_literal(value: object) -> bool:
    """A scalar, or a list of scalars."""
    return not isinstance(value, Mapping) and not (
        isinstance(value, list) and any(isinstance(one, list | Mapping) for one in value)
    )
