"""Who may do what: one table for every door, and nothing is allowed that it does not name (router 4.1)."""

from collections.abc import Set
from typing import Final, Literal

from ringback.customers.keys.model import ADMIN, OPERATOR
from ringback.kit.errors import PermissionDenied

VIEWER: Final = "viewer"
MANAGER: Final = "manager"
AUDITOR: Final = "auditor"
PLATFORM: Final = frozenset({OPERATOR, AUDITOR, VIEWER})
"""Roles that a key of the platform itself may have."""

Right = Literal[
    "read phones", "write phones", "read extensions", "write extensions", "run the registry", "read the audit"
]
READ: Final[Right] = "read phones"
"""And whatever else of the registrar's is a customer's."""
WRITE: Final[Right] = "write phones"
RIGHTS: Final[dict[Right, frozenset[str]]] = {
    "read phones": frozenset({VIEWER, MANAGER, OPERATOR, AUDITOR}),
    "write phones": frozenset({MANAGER, OPERATOR}),
    "read extensions": frozenset({VIEWER, MANAGER, OPERATOR, AUDITOR}),
    "write extensions": frozenset({OPERATOR}),
    "run the registry": frozenset({OPERATOR}),
    "read the audit": frozenset({OPERATOR, AUDITOR}),
}


def may(roles: Set[str], right: Right) -> bool:
    """Whether one of the roles has the right; a customer's admin counts as manager."""
    return not RIGHTS[right].isdisjoint({MANAGER if role == ADMIN else role for role in roles})


def require(roles: Set[str], right: Right) -> None:
    """`PermissionDenied` unless one of the roles has the right."""
    if not may(roles, right):
        raise PermissionDenied
