"""How deep JSON may be: of what is deeper nobody looks at the rest (router S-2)."""

from typing import Final

DEEPEST: Final = 10
"""Levels that a message, a context or a document of the registry may have."""


def is_deep(value: object, levels: int = DEEPEST) -> bool:
    """Whether JSON has more levels than so many: a scalar has none, `{}` one."""
    if isinstance(value, dict):
        return levels == 0 or any(is_deep(one, levels - 1) for one in value.values())
    if isinstance(value, list):
        return levels == 0 or any(is_deep(one, levels - 1) for one in value)
    return False
