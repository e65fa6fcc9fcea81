"""The rules of policies: make, change, end and find them; every change by the one write protocol."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.merging import merged
from ringback.router.canonical import is_same
from ringback.router.extensions.model import RevisionConflict
from ringback.router.extensions.registry import Snapshot
from ringback.router.extensions.since import current
from ringback.router.extensions.writing import immutable
from ringback.router.policies import store
from ringback.router.policies.deadlines import deadline_ms
from ringback.router.policies.document import declared, understood
from ringback.router.policies.model import InUse, Policy, PolicyExists, PolicyNotFound
from ringback.router.policies.wire import ChangeRouterPolicy, NewRouterPolicy
from ringback.router.policies.writing import Change, Standing, standing, write
from ringback.router.store import Head
from ringback.router.work import Uow
from ringback.router.writing import begin

MOST_OF_CUSTOMER: Final = 20
"""Router extensions that all policies of a customer name together."""
CHUNK: Final = 50
"""Policies that end in one transaction."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A policy, the milliseconds that a run of it may take, and what its owner should know besides."""

    policy: Policy
    deadline_ms: int
    warnings: list[str]


def list_of(uow: Uow, customer_id: UUID | None) -> list[Policy]:
    """Those of a customer, or all there are, by customer and id, from memory."""
    found = uow.registry.served().policies.values()
    return sorted((one for one in found if customer_id in (None, one.customer_id)), key=order_of)


def order_of(policy: Policy) -> tuple[int, str]:
    """What policies are sorted by: as by customer and id, and faster."""
    return policy.customer_id.int, policy.policy_id


def get(uow: Uow, customer_id: UUID, policy_id: str) -> Policy:
    """One that is not deleted, from memory."""
    return uow.registry.served().policy(customer_id, policy_id)


async def of_calls(uow: Uow, customer_id: UUID) -> str | None:
    """The id of the policy that the customer's calls go through, as the database says now."""
    return await store.of_calls(uow.session, customer_id)


def judged(now: Snapshot, policy: Policy) -> Judged:
    """A policy that was taken once, by the router extensions that there are now."""
    found = declared(policy.document)
    try:
        warnings = understood(policy.document, now.by_id, policy.customer_id, purpose=policy.purpose)[1]
    except ValidationFailed as failure:
        warnings = sorted({fault.rule for fault in failure.faults})
    return Judged(policy, deadline_ms(found, now.by_id, policy.purpose), warnings)


async def create(uow: Uow, customer_id: UUID, asked: NewRouterPolicy) -> Judged:
    """Make one; the id of a deleted one may be used again, and its revisions go on."""
    head = await begin(uow)
    before = await standing(uow, customer_id, asked.policy_id)
    if before and before.record.is_live:
        raise PolicyExists(policy_id="is taken")
    policy = Policy(
        customer_id,
        asked.policy_id,
        asked.document,
        purpose="direct_call" if asked.purpose else None,
        enabled=asked.enabled,
        created_at=uow.now,
        created_by=uow.by.name,
        updated_at=uow.now,
        updated_by=uow.by.name,
    )
    return await _write(uow, head, Change("created", before, policy))


async def update(
    uow: Uow,
    customer_id: UUID,
    policy_id: str,
    changes: ChangeRouterPolicy,
    *,
    merge: bool = False,
    expected: Container[int] | None = None,
) -> Judged:
    """Change any of its fields: the document is replaced whole, or merged (RFC 7396).

    `expected` are revisions that the caller has seen; `RevisionConflict` when it is another one by now.
    """
    head = await begin(uow)
    before = await _live(uow, customer_id, policy_id, expected)
    after = _changed(before.record, changes, merge=merge)
    if after.is_as(before.record):
        return judged(await current(uow, head), before.record)
    change = Change("updated", before, _by(uow, after))
    if not after.enabled and is_same(after.document, before.record.document):
        (written,) = await write(uow, head, [change])  # whatever has become of what it names
        return judged(await current(uow, head), written)
    return await _write(uow, head, change)


async def delete(uow: Uow, customer_id: UUID, policy_id: str, *, expected: Container[int] | None = None) -> Judged:
    """End it; its row and its audit stay."""
    head = await begin(uow)
    before = await _live(uow, customer_id, policy_id, expected)
    now = judged(await current(uow, head), before.record)
    (ended,) = await write(uow, head, [Change("deleted", before, _by(uow, replace(before.record, deleted_at=uow.now)))])
    return replace(now, policy=ended)


async def end_all(uow: Uow, customer_id: UUID, *, most: int = CHUNK) -> int:
    """End policies of a customer who is gone, `most` at a time; how many that were, 0 once there are none."""
    head = await begin(uow)
    now = await current(uow, head)
    theirs = [place for place in now.policies if place[0] == customer_id][:most]
    changes = [
        Change("deleted", before, _by(uow, replace(before.record, deleted_at=uow.now)))
        for place in theirs
        if (before := await standing(uow, *place)) and before.record.is_live
    ]
    if changes:
        await write(uow, head, changes)
    return len(changes)


async def _live(uow: Uow, customer_id: UUID, policy_id: str, expected: Container[int] | None) -> Standing:
    found = await standing(uow, customer_id, policy_id)
    if found is None or not found.record.is_live:
        raise PolicyNotFound
    if expected is not None and found.last not in expected:
        raise RevisionConflict(found.last)
    return found


async def _write(uow: Uow, head: Head, change: Change) -> Judged:
    """Write what breaks no rule, be it by itself or beside the customer's others."""
    now = await current(uow, head)
    policy = change.after
    found, warnings = understood(policy.document, now.by_id, policy.customer_id, purpose=policy.purpose)
    others = [one for place, one in now.policies.items() if place[0] == policy.customer_id and place != policy.place]
    named = found.ids.union(*(declared(one.document).ids for one in others))
    if len(named) > MOST_OF_CUSTOMER:
        told = f"and the customer's other policies must name at most {MOST_OF_CUSTOMER} router extensions together"
        raise ValidationFailed(Fault("document", told, "too_large"))
    if policy.purpose and policy.enabled:
        _in_use(one for one in others if one.purpose == policy.purpose and one.enabled)
    (written,) = await write(uow, head, [change])
    return Judged(written, deadline_ms(found, now.by_id, written.purpose), warnings)


def _in_use(policies: Iterable[Policy]) -> None:
    if faults := [Fault("purpose", f"is that of {one.policy_id}, which is enabled") for one in policies]:
        raise InUse(*faults)


def _by(uow: Uow, policy: Policy) -> Policy:
    return replace(policy, updated_at=uow.now, updated_by=uow.by.name)


def _changed(before: Policy, changes: ChangeRouterPolicy, *, merge: bool) -> Policy:
    faults = list(_immutable(before, changes))
    given = {name: value for name, value in changes.given().items() if name in ("document", "purpose", "enabled")}
    if not given and not faults and not changes.given().keys() & {"customer_id", "policy_id"}:
        faults.append(Fault("", "names nothing that could change", "empty_update"))
    if faults:
        raise ValidationFailed(*faults)
    if merge and "document" in given:
        given["document"] = merged(before.document, given["document"])
    return replace(before, **given)


def _immutable(before: Policy, changes: ChangeRouterPolicy) -> Iterator[Fault]:
    for name, value in (("customer_id", str(before.customer_id)), ("policy_id", before.policy_id)):
        if getattr(changes, name) not in (None, value):
            yield immutable(name, value)
