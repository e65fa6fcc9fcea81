"""Which policies need a router extension (R-6c): a look at all of them, which belongs off the loop's thread."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from ringback.kit.errors import Fault
from ringback.router.policies.document import declared
from ringback.router.policies.model import InUse, Policy

LISTS: Final = ("pre", "validators", "post", "providers", "fallbacks")
NAMES: Final = ("id", "name", "to")
MOST: Final = 100
"""Policies that one answer names."""


def require_unnamed(policies: Iterable[Policy], id: str) -> None:
    """`InUse` with the policies that name it; it can be deleted only where none does."""
    _refuse(one.key for one in policies if names(one.document, id))


def require_optional(policies: Iterable[Policy], id: str) -> None:
    """`InUse` with the policies of which no run goes on without it; it can be taken where there are none."""
    _refuse(one.key for one in policies if names(one.document, id) and declared(one.document).requires(id))


def names(document: Mapping[str, Any], id: str) -> bool:
    """Whether a document that is good names it anywhere; nothing else of it is looked at, since there may be many."""
    inner = document.get("extensions") or {}
    items = (item for within in (document, inner) for name in LISTS for item in within.get(name) or ())
    return any(item.get(name) == id for item in items for name in NAMES)


def _refuse(keys: Iterable[str]) -> None:
    if faults := [Fault("policies", key) for key in sorted(islice(keys, MOST))]:
        raise InUse(*faults)
