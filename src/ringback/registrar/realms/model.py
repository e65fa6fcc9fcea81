"""A customer's realm, state and limits."""

import secrets
import string
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from ringback.kit.errors import AlreadyExists, FailedPrecondition, NotFound, ResourceExhausted
from ringback.sip import names

LABEL_RULE: Final = "must be 2 to 63 of a-z, 0-9 and inner hyphens, not shaped like a UUID, and none of " + ", ".join(
    sorted(names.RESERVED)
)
BASE36: Final = string.digits + string.ascii_lowercase
SHORT: Final = 6
"""Characters of a label that is made for a customer."""


class Status(StrEnum):
    """What a customer may do; one that nobody spoke of is active. Deleted is the end: nothing leads back from it."""

    ACTIVE = "active"
    FROZEN = "frozen"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Customer:
    """What the registrar knows of a customer. A limit is how many live objects: 0 is any number, `None` the default."""

    customer_id: UUID
    status: Status = Status.ACTIVE
    limit_extension: int | None = None
    limit_trunk: int | None = None
    tm_status: datetime | None = None
    """When somebody last said what the status is."""


@dataclass(frozen=True, slots=True)
class Realm:
    """The domain that one customer's phones live under: `<label>.<domain_name_extension>`."""

    customer_id: UUID
    label: str
    name: str
    tm_create: datetime
    tm_update: datetime | None = None


def new_label() -> str:
    """A short random label, since the realm stands five times in an authenticated INVITE."""
    return "".join(secrets.choice(BASE36) for _ in range(SHORT))


class CustomerFrozen(FailedPrecondition):
    """The customer is frozen."""

    reason = "CUSTOMER_FROZEN"


class CustomerDeleted(FailedPrecondition):
    """The customer is deleted."""

    reason = "CUSTOMER_DELETED"


class RealmNotFound(NotFound):
    """There is no such customer domain."""

    reason = "CUSTOMER_DOMAIN_NOT_FOUND"


class LabelTaken(AlreadyExists):
    """Another customer has that realm label."""

    reason = "DOMAIN_LABEL_ALREADY_EXISTS"


class LabelInUse(FailedPrecondition):
    """The label cannot change while extensions live under it: their digests hold the realm."""

    reason = "DOMAIN_LABEL_IN_USE"


class LimitExceeded(ResourceExhausted):
    """The customer has as many as allowed."""

    reason = "RESOURCE_LIMIT_EXCEEDED"
