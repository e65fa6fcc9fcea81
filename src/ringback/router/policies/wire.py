"""Shapes of policies: what is asked for, and what is shown (router 6.3)."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from ringback.kit.errors import Fault
from ringback.kit.pages import LARGEST, PageSize
from ringback.kit.reading import Asked
from ringback.router.canonical import time_of
from ringback.router.extensions.wire import ReadOnly
from ringback.router.nodes.model import Applied
from ringback.router.policies import rules
from ringback.router.policies.model import Policy
from ringback.router.ruled import Ruled
from ringback.router.secrets import redacted

Object = dict[str, Any]
Purpose = Annotated[str, msgspec.Meta(description="`direct_call`: it runs before each call to a direct address")]


class Sent(Ruled, frozen=True, kw_only=True):
    """What a create and a change have in common."""

    required: ClassVar[Mapping[str, str]] = {"policy_id": "invalid_id"}

    @staticmethod
    def faults_together(values: Mapping[str, Any]) -> Iterable[Fault]:
        return rules.faults(values)


class NewRouterPolicy(Sent, frozen=True, kw_only=True):
    """A policy that shall be there."""

    policy_id: str
    document: Object
    purpose: Purpose | None = None
    enabled: bool = True


class ChangeRouterPolicy(Sent, frozen=True, kw_only=True):
    """What shall be different; what is absent stays. A purpose that is null is none."""

    document: Object | None = None
    purpose: Purpose | UnsetType | None = UNSET
    enabled: bool | None = None
    customer_id: str | None = None
    policy_id: str | None = None
    deadline_ms: ReadOnly = None
    revision: ReadOnly = None
    created_at: ReadOnly = None
    created_by: ReadOnly = None
    updated_at: ReadOnly = None
    updated_by: ReadOnly = None
    warnings: ReadOnly = None
    applied: ReadOnly = None


class ListPolicies(Asked, frozen=True, kw_only=True):
    """Which page of them."""

    page_size: PageSize = LARGEST
    page_token: Annotated[str, msgspec.Meta(description="`next_page_token` of the page before")] | None = None


class RouterPolicyRecord(msgspec.Struct, frozen=True):
    """A policy as it is shown. `deadline_ms` is what a run may take, in milliseconds, by the document or without it."""

    customer_id: str
    policy_id: str
    purpose: str | None
    enabled: bool
    document: Object
    deadline_ms: int
    revision: int
    created_at: str
    created_by: str | None
    updated_at: str
    updated_by: str | None
    warnings: list[str]
    applied: Applied | UnsetType | None = UNSET
    """Of a change that was asked to wait: `None` where the database went away after the commit."""


class RouterPolicyPage(msgspec.Struct, frozen=True):
    """A page of policies; `next_page_token` is empty on the last one."""

    result: list[RouterPolicyRecord]
    next_page_token: str


def shown(policy: Policy, deadline_ms: int, warnings: Iterable[str]) -> RouterPolicyRecord:
    return RouterPolicyRecord(
        customer_id=str(policy.customer_id),
        policy_id=policy.policy_id,
        purpose=policy.purpose,
        enabled=policy.enabled,
        document=redacted(policy.document),
        deadline_ms=deadline_ms,
        revision=policy.revision,
        created_at=time_of(policy.created_at),
        created_by=policy.created_by,
        updated_at=time_of(policy.updated_at),
        updated_by=policy.updated_by,
        warnings=list(warnings),
    )
