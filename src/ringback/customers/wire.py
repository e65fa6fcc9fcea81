"""Customers as JSON: what is asked, what is shown."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from ringback.customers.model import Customer
from ringback.kit.reading import Asked, Identity, rule
from ringback.registrar.asked import Text, whole
from ringback.registrar.realms.wire import Label, Limit

NAME: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,255}")
EMAIL: Final = (
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
"""RFC 5321 4.1.2 without quotes and address literals; whether somebody reads it only a mail can tell."""
LONGEST_EMAIL: Final = 254
State = Literal["active", "frozen", "deleted"]


def is_email(text: str) -> bool:
    return len(text) <= LONGEST_EMAIL and re.fullmatch(EMAIL, text) is not None


Name = Annotated[
    str,
    rule(
        "1 to 255 characters, no control characters",
        whole(NAME),
        minLength=1,
        maxLength=255,
        pattern=r"^[^\u0000-\u001f\u007f-\u009f]*$",
        examples=["Acme"],
    ),
]
Email = Annotated[
    str,
    rule(
        f"an e-mail address in ASCII, at most {LONGEST_EMAIL} characters",
        is_email,
        pattern=f"^{EMAIL}$",
        maxLength=LONGEST_EMAIL,
        examples=["ops@acme.example"],
    ),
]


class NewCustomer(Asked, frozen=True, kw_only=True):
    """A customer to make. `id` is for one who is known by it already elsewhere. A limit of null is the default."""

    name: Name
    email: Email
    detail: Text | None = None
    id: Identity | None = None
    domain_label: Label | None = None
    limit_extension: Limit | UnsetType | None = UNSET
    limit_trunk: Limit | UnsetType | None = UNSET


class ChangeAccount(Asked, frozen=True, kw_only=True):
    """What customers may change of themselves; absent and null fields stay as they are."""

    name: Name | None = None
    email: Email | None = None
    detail: Text | None = None


class ChangeCustomer(ChangeAccount, frozen=True, kw_only=True):
    """What is to become different. Absent fields stay as they are, null ones too, but for a limit: the default."""

    domain_label: Label | None = None
    limit_extension: Limit | UnsetType | None = UNSET
    limit_trunk: Limit | UnsetType | None = UNSET


class CustomerFilters(Asked, frozen=True, kw_only=True):
    """Which customers a peer wants: equality, ANDed."""

    name: str | None = None
    email: str | None = None
    status: State | None = None
    deleted: bool | None = None


class CustomerManagerCustomer(msgspec.Struct, frozen=True):
    """A customer. A limit of null is the platform's default, 0 is no limit; `domain_label` is their realm's."""

    id: UUID
    name: str
    email: str
    detail: str
    status: State
    domain_label: str | None
    limit_extension: int | None
    limit_trunk: int | None
    tm_create: datetime
    tm_update: datetime | None
    tm_delete: datetime | None


class CustomerNews(CustomerManagerCustomer, frozen=True):
    """A customer in an event. `tm_event` is when it happened: what is heard late is no news any more."""

    tm_event: datetime


def shown(customer: Customer) -> CustomerManagerCustomer:
    return CustomerManagerCustomer(**_fields(customer))


def news(customer: Customer, at: datetime) -> CustomerNews:
    return CustomerNews(**_fields(customer), tm_event=at)


def _fields(customer: Customer) -> dict[str, Any]:
    fields = {name: getattr(customer, name) for name in CustomerManagerCustomer.__struct_fields__}
    return {**fields, "status": customer.status.value}
