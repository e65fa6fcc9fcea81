"""Takes over what somebody has written into the rows of policies by SQL, as if it had been asked for (R-2b)."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from uuid import UUID

from ringback.kit.errors import ValidationFailed
from ringback.router.audit.model import BY_HAND
from ringback.router.policies import rules, store
from ringback.router.policies.model import Policy
from ringback.router.policies.writing import Change, Standing, kept_policy, write
from ringback.router.work import Uow
from ringback.router.writing import begin


async def adopt(uow: Uow, *, ids: Iterable[str]) -> None:
    """Write what stands in the rows of these keys; the first node does it, others find it done."""
    head = await begin(uow)
    changes = [change for key in ids if (change := await _adopted(uow, key))]
    if changes:
        uow.by = BY_HAND
        await write(uow, head, changes)


async def _adopted(uow: Uow, key: str) -> Change | None:
    customer_id, _, policy_id = key.partition("/")
    row = await store.one(uow.session, UUID(customer_id), policy_id)
    kept = await kept_policy(uow, key)
    by_hand = partial(replace, updated_at=uow.now, updated_by=BY_HAND.name)
    before = Standing(kept, kept.revision, kept.part) if kept else None
    if row is None:
        return Change("deleted", before, by_hand(kept, deleted_at=uow.now)) if kept and kept.is_live else None
    try:
        policy = rules.policy_of(row)
    except ValidationFailed:  # it was broken since it was read
        return None
    if kept is None:
        return Change("created", None, policy)
    if policy.checksum == kept.checksum:
        return None
    return Change(_named(kept, policy), before, by_hand(policy))


def _named(before: Policy, after: Policy) -> str:
    """What was done, by what is different."""
    if before.is_live != after.is_live:
        return "created" if after.is_live else "deleted"
    return "updated"
