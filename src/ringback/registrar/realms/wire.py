"""Realms as JSON."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec

from ringback.kit.reading import Asked, rule
from ringback.registrar.realms.model import LABEL_RULE, Realm
from ringback.sip import names

PATTERN: Final = f"^(?!(?:{'|'.join(sorted(names.RESERVED))})$){names.LABEL.pattern}$"
Label = Annotated[
    str,
    rule(
        LABEL_RULE.removeprefix("must be "),
        lambda text: names.LABEL.fullmatch(text) is not None and text not in names.RESERVED,
        pattern=PATTERN,
        examples=["acme"],
    ),
]
MOST: Final = 2**31 - 1
Limit = Annotated[
    int,
    rule(
        f"a whole number from 0 to {MOST}; 0 is no limit",
        lambda number: 0 <= number <= MOST,
        minimum=0,
        maximum=MOST,
        examples=[50],
    ),
]


class ChangeDomain(Asked, frozen=True, kw_only=True):
    """The label that a customer's realm is to have."""

    domain_label: Label


class CustomerDomain(msgspec.Struct, frozen=True):
    """The domain that a customer's phones live under (registrar 4)."""

    customer_id: UUID
    domain_label: str
    realm: str
    tm_create: datetime
    tm_update: datetime | None


def shown(realm: Realm) -> CustomerDomain:
    return CustomerDomain(realm.customer_id, realm.label, realm.name, realm.tm_create, realm.tm_update)
