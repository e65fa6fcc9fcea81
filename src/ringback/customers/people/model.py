"""A person: an e-mail address, a password's hash, and what they may do for a customer or for the platform."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from ringback.kit.errors import AlreadyExists, NotFound

SHORTEST: Final = 10
LONGEST: Final = 128
"""Characters of a password."""
Status = Literal["active", "disabled"]


@dataclass(frozen=True, slots=True)
class Person:
    """Whose they are is as with keys: of a customer, or (`None`) of the platform."""

    id: UUID
    customer_id: UUID | None
    email: str
    name: str
    roles: tuple[str, ...]
    password_hash: str = field(repr=False)
    tm_create: datetime
    status: Status = "active"
    tm_update: datetime | None = None


class EmailTaken(AlreadyExists):
    """Somebody has that e-mail address already."""

    reason = "PERSON_ALREADY_EXISTS"


class PersonNotFound(NotFound):
    """There is no such person."""

    reason = "PERSON_NOT_FOUND"
