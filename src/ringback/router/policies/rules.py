"""What a policy must be, besides its document (router 3, 5.1)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args
from uuid import UUID

from ringback.kit.errors import Fault, ValidationFailed
from ringback.router.policies import store
from ringback.router.policies.document import declared
from ringback.router.policies.model import Policy, Purpose

ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")
PURPOSES: Final = get_args(Purpose)


def faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with id and purpose, of those that are there."""
    if (id := values.get("policy_id")) is not None and not ID.fullmatch(id):
        yield Fault("policy_id", "must be 1 to 255 of A-Z, a-z, 0-9, _, . and -", "invalid_id")
    if (purpose := values.get("purpose")) is not None and purpose not in PURPOSES:
        yield Fault("purpose", f"must be {' or '.join(PURPOSES)}", "wrong_type")


def is_good(policy: Policy) -> bool:
    """Whether what somebody has kept breaks no rule of ours, whatever router extensions there are."""
    try:
        declared(policy.document)
    except ValidationFailed:
        return False
    return next(faults(policy.record()), None) is None


def policy_of(row: Mapping[str, Any]) -> Policy:
    """The policy of a row; `ValidationFailed` names what somebody has broken in it by hand."""
    wrong = list(faults(row))
    if type(row["revision"]) is not int:
        wrong.append(Fault("revision", "is not what it must be", "wrong_type"))
    try:
        customer_id = UUID(row["customer_id"])
    except ValueError:
        customer_id = UUID(int=0)
    if not customer_id.int or str(customer_id) != row["customer_id"]:
        wrong.append(Fault("customer_id", "must be a UUID, not nil", "invalid_id"))
    try:
        declared(row["document"])
    except ValidationFailed as failure:
        wrong += failure.faults
    if wrong:
        raise ValidationFailed(*wrong)
    return store.from_row(row)
