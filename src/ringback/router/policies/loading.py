"""What a load of the registry asks of policies: their rows, and how each was written last."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final

import msgspec

from ringback.kit.db import Row
from ringback.router.audit import service as audit
from ringback.router.canonical import checksum_of
from ringback.router.policies import rules, store
from ringback.router.policies.model import Policy, key_of
from ringback.router.reading import Last, Shelf
from ringback.router.work import Uow

FEW: Final = 50
"""Entries of the audit log that are looked at together."""


def shelf(known: Iterable[Policy]) -> Shelf[Policy]:
    """For a whole read."""
    served = {policy.key: policy for policy in known}
    return Shelf(served, lambda row: key_of(row["customer_id"], row["policy_id"]), store.from_row, rules.policy_of)


async def kept(uow: Uow) -> Mapping[str, Last]:
    """How every policy there ever was stood last, by the audit log: it holds no secret, so its entries are whole."""
    found: dict[str, Last] = {}
    async for key, document in audit.newest(uow, "policy"):
        found[key] = Last(checksum_of(document), document)
    return found


async def good(uow: Uow, keys: Iterable[str]) -> list[Policy]:
    """The newest version of each of them that breaks no rule (R-3)."""
    return [policy for key in keys if (policy := await _good(uow, key))]


async def _good(uow: Uow, key: str) -> Policy | None:
    before = 1 << 62
    while entries := await audit.latest(uow, key, before, FEW):
        for entry in entries:
            policy = Policy.of(msgspec.json.decode(entry.new_values or "null"))
            if rules.is_good(policy):
                return policy
        before = entries[-1].id
    return None


def pages(uow: Uow) -> AsyncIterator[list[Row]]:
    """All rows, a page at a time; others have their turn after each."""
    return store.pages(uow.session)


async def since(uow: Uow, revision: int) -> list[Row]:
    """Rows that were changed after that registry revision, as they stand."""
    return await store.since(uow.session, revision)
