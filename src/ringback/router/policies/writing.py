"""How a change of a policy is written: its row, and what every change of the registry is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

import msgspec

from ringback.kit.errors import ValidationFailed
from ringback.router.audit import service as audit
from ringback.router.canonical import plain
from ringback.router.policies import rules, store
from ringback.router.policies.model import Policy, key_of
from ringback.router.secrets import redacted
from ringback.router.store import Head
from ringback.router.work import Uow
from ringback.router.writing import NAMESPACE, News, Written, seal


@dataclass(frozen=True, slots=True)
class Standing:
    """How a policy stands now: its row, and what its last change adds to the checksum of the registry."""

    record: Policy
    last: int
    part: int


@dataclass(frozen=True, slots=True)
class Change:
    """One policy of a transaction: what is done to it, how it stood, how it shall be (its revision is given here)."""

    action: str
    before: Standing | None
    after: Policy


async def standing(uow: Uow, customer_id: UUID, policy_id: str) -> Standing | None:
    """How a policy stands, deleted or not; after `begin`. A row that was broken by hand counts as last written."""
    row = await store.one(uow.session, customer_id, policy_id)
    kept = await kept_policy(uow, key_of(customer_id, policy_id))
    try:
        record = rules.policy_of(row) if row else kept
    except ValidationFailed:
        record = kept
    return Standing(record, kept.revision if kept else 0, kept.part if kept else 0) if record else None


async def kept_policy(uow: Uow, key: str) -> Policy | None:
    """A policy as it was written last, by the audit log: it holds no secret, so its entries are whole."""
    entries = await audit.latest(uow, key, 1 << 62, 1)
    return Policy.of(msgspec.json.decode(entries[0].new_values)) if entries and entries[0].new_values else None


async def write(uow: Uow, head: Head, changes: Sequence[Change]) -> list[Policy]:
    """Rows, and whatever else a change of the registry is."""
    head = replace(head, revision=head.revision + 1)
    written: list[Policy] = []
    for change in changes:
        number = (change.before.last if change.before else 0) + 1
        policy = replace(change.after, document=plain(change.after.document), revision=number)
        await store.put(uow.session, policy, head.revision)
        written.append(policy)
    await seal(uow, head, [_to_tell(change, policy) for change, policy in zip(changes, written, strict=True)])
    return written


def _to_tell(change: Change, policy: Policy) -> Written:
    before = change.before
    old = before.record.record() if before else None
    parts = (before.part if before else 0, policy.part)
    return Written(
        policy, "policy", policy.key, change.action, old, policy.record(), parts, _news(change.action, policy)
    )


def _news(action: str, policy: Policy) -> News:
    data = redacted(policy.record())
    if action == "deleted":
        data = {name: data[name] for name in ("customer_id", "policy_id")}
    return News("policy_deleted" if action == "deleted" else "policy_updated", uuid5(NAMESPACE, policy.key), data)
