"""A customer's realm and state."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from ringback.kit.errors import AlreadyExists, FailedPrecondition


class Status(StrEnum):
    """What a customer may do; one that nobody spoke of is active."""

    ACTIVE = "active"
    FROZEN = "frozen"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Realm:
    """The domain that one customer's phones live under: `<label>.<domain_name_extension>`."""

    customer_id: UUID
    label: str
    name: str


class CustomerFrozen(FailedPrecondition):
    """The customer is frozen."""

    reason = "CUSTOMER_FROZEN"


class CustomerDeleted(FailedPrecondition):
    """The customer is deleted."""

    reason = "CUSTOMER_DELETED"


class LabelTaken(AlreadyExists):
    """Another customer has that realm label."""

    reason = "DOMAIN_LABEL_ALREADY_EXISTS"
