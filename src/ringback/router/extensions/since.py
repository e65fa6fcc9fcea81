"""What was changed in the registry after a revision of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ringback.kit.db import Row
from ringback.kit.errors import ValidationFailed
from ringback.router import store as heads
from ringback.router.extensions import rules, store
from ringback.router.extensions.adopting import kept_record
from ringback.router.extensions.model import RouterExtension
from ringback.router.extensions.registry import Snapshot
from ringback.router.policies import loading as policy_loading
from ringback.router.policies import rules as policy_rules
from ringback.router.store import Head
from ringback.router.work import Uow


@dataclass(frozen=True, slots=True)
class Since:
    """The head, every revision of router extensions up to it in order, and rows of policies as they stand at it."""

    head: Head
    extensions: Sequence[RouterExtension] = ()
    policies: Sequence[Row] = ()

    def after(self, snapshot: Snapshot) -> Snapshot | None:
        """The snapshot that follows; `None` where something in it breaks a rule."""
        try:
            policies = [policy_rules.policy_of(row) for row in self.policies]
        except ValidationFailed:
            return None
        if not all(map(rules.is_good, self.extensions)):
            return None
        return snapshot.with_changes(self.head.revision, self.extensions, policies)


async def changed_since(uow: Uow, revision: int, most: int | None = None) -> Since:
    """What was changed since; nothing but the head where that are more than `most` transactions."""
    while True:
        head = await heads.read(uow.session)
        if head.revision <= revision or (most and head.revision > revision + most):
            return Since(head)
        policies = await policy_loading.since(uow, revision)
        if all(row["registry_revision"] <= head.revision for row in policies):  # nobody has written in between
            break
    rows = await uow.session.all(store.SINCE, after=revision, upto=head.revision)
    return Since(head, [kept_record(row) for row in rows], policies)


async def current(uow: Uow, head: Head) -> Snapshot:
    """What the registry says at that head, whatever this process has heard of it yet; after `begin`."""
    now = uow.registry.served()
    if now.revision >= head.revision:
        return now
    return (await changed_since(uow, now.revision)).after(now) or now
