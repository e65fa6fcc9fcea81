"""Who may do what: one table for every door, and nothing is allowed that it does not name (router 4.1)."""

from collections.abc import Set
from typing import Final, Literal, get_args

from ringback.customers.keys.model import ADMIN, OPERATOR
from ringback.kit.errors import PermissionDenied

VIEWER: Final = "viewer"
MANAGER: Final = "manager"
AUDITOR: Final = "auditor"
PLATFORM: Final = frozenset({OPERATOR, AUDITOR, VIEWER})
"""Roles that a key or a person of the platform itself may have."""
OF_CUSTOMERS: Final = frozenset({ADMIN, MANAGER, VIEWER, AUDITOR})
"""The same of a customer."""

Right = Literal[
    "read phones", "write phones", "read extensions", "write extensions", "write policies", "run the registry",
    "read the audit", "manage access", "run a pipeline", "know oneself", "keep the account", "run the platform",
    "read changes",
]  # fmt: skip
READ: Final[Right] = "read phones"
"""And whatever else of the registrar's is a customer's."""
WRITE: Final[Right] = "write phones"
MANAGE: Final[Right] = "manage access"
"""Make and end access keys and people."""
PIPELINE: Final[Right] = "run a pipeline"
POLICIES: Final[Right] = "write policies"
"""And try documents that are not stored."""
CHANGES: Final[Right] = "read changes"
"""The audit log of everything but the registry of router extensions."""
ONESELF: Final[Right] = "know oneself"
"""Whoever is let in at all."""
RIGHTS: Final[dict[Right, frozenset[str]]] = {
    "read phones": frozenset({VIEWER, MANAGER, OPERATOR, AUDITOR}),
    "write phones": frozenset({MANAGER, OPERATOR}),
    "keep the account": frozenset({ADMIN, OPERATOR}),
    "read extensions": frozenset({VIEWER, MANAGER, OPERATOR, AUDITOR}),
    "write extensions": frozenset({OPERATOR}),
    "write policies": frozenset({MANAGER, OPERATOR}),
    "run the registry": frozenset({OPERATOR}),
    "read the audit": frozenset({OPERATOR, AUDITOR}),
    "manage access": frozenset({ADMIN, OPERATOR}),
    "run a pipeline": frozenset({MANAGER, OPERATOR}),
    "know oneself": frozenset(),
    "read changes": frozenset({ADMIN, OPERATOR, AUDITOR}),
    "run the platform": frozenset({OPERATOR}),
}


def scope_of(right: Right) -> str:
    """What the right is called on a key that is limited to some: `read phones` is `phones:read`."""
    verb, *_, noun = right.split()
    return f"{noun}:{verb}"


SCOPES: Final = frozenset(scope_of(right) for right in get_args(Right)) - {scope_of(ONESELF)}
RUN: Final = scope_of(PIPELINE)
"""The one scope that needs no role (router R-11b)."""


def may(roles: Set[str], right: Right, scopes: Set[str] | None = None) -> bool:
    """Whether one of the roles has the right, and the scopes, if there are any, as well; an admin is a manager too."""
    if right == ONESELF:
        return True
    if scopes is not None and scope_of(right) not in scopes:
        return False
    held = roles | {MANAGER} if ADMIN in roles else roles
    return not RIGHTS[right].isdisjoint(held) or (scopes is not None and scope_of(right) == RUN)


def require(roles: Set[str], right: Right, scopes: Set[str] | None = None) -> None:
    """`PermissionDenied` unless `may`."""
    if not may(roles, right, scopes):
        raise PermissionDenied
