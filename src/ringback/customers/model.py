"""A customer: who they are; what they may do and have is the registrar's to know (registrar 11)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from ringback.kit.errors import AlreadyExists, NotFound
from ringback.registrar.realms.model import Status

PUBLISHER: Final = "customer-manager"
"""The service as its peers know it."""


@dataclass(frozen=True, slots=True)
class Customer:
    """One tenant. A limit is a number of live objects: 0 is any number, `None` the default."""

    id: UUID
    name: str
    email: str
    detail: str
    tm_create: datetime
    status: Status = Status.ACTIVE
    domain_label: str | None = None
    limit_extension: int | None = None
    limit_trunk: int | None = None
    tm_update: datetime | None = None
    tm_delete: datetime | None = None


class CustomerNotFound(NotFound):
    """There is no such customer."""

    reason = "CUSTOMER_NOT_FOUND"


class CustomerExists(AlreadyExists):
    """There is a customer with that id."""

    reason = "CUSTOMER_ALREADY_EXISTS"
