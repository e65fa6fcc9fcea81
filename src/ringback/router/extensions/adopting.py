"""Takes over what somebody has written into the rows of extensions by SQL, as if it had been asked for (R-2b)."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import msgspec

from ringback.kit.audit import Actor
from ringback.kit.db import Row
from ringback.kit.errors import ValidationFailed
from ringback.router import store as heads
from ringback.router.audit.model import BY_HAND
from ringback.router.extensions import rules, store
from ringback.router.extensions.model import RouterExtension
from ringback.router.extensions.writing import Change, Standing, write
from ringback.router.work import Uow
from ringback.router.writing import begin

INITIAL: Final = Actor("system:initial", "system")
"""Who has written the rows that come with the schema."""
BATCH: Final = 50
"""Rows that are taken over in one transaction, while others wait."""


async def adopt(uow: Uow, *, ids: Iterable[str]) -> None:
    """Write what stands in these rows as if it had been asked for; the first node does it, others find it done."""
    head = await begin(uow)
    initial: list[Change] = []
    changes: list[Change] = []
    for id in ids:
        row = await store.one(uow.session, id, lock=True)
        last = await store.last_revision(uow.session, id)
        change = _adopted(uow, row, kept_record(last) if last else None)
        if change:
            is_first = last is None and row is not None and row["created_by"] == INITIAL.name
            (initial if is_first else changes).append(change)
    for by, some in ((INITIAL, initial), (BY_HAND, changes)):
        if some:
            uow.by = by
            await write(uow, head, some)
            head = await heads.read(uow.session)


def _adopted(uow: Uow, row: Row | None, kept: RouterExtension | None) -> Change | None:
    before = Standing(kept, kept.revision, kept.part) if kept else None
    if row is None:
        gone = kept and kept.is_live and replace(kept, deleted_at=uow.now, updated_at=uow.now, updated_by=BY_HAND.name)
        return Change("deleted", before, gone) if gone else None
    try:
        record = rules.record_of(row)
    except ValidationFailed:  # it was broken since it was read
        return None
    if kept is None:
        return Change("created", None, record)
    if record.checksum == kept.checksum:
        return None
    after = replace(record, updated_at=uow.now, updated_by=BY_HAND.name)
    return Change(_named(kept, after), before, after)


def _named(before: RouterExtension, after: RouterExtension) -> str:
    """What was done, by what is different."""
    if before.is_live != after.is_live:
        return "restored" if after.is_live else "deleted"
    if before.enabled != after.enabled and before.is_as(replace(after, enabled=before.enabled)):
        return "enabled" if after.enabled else "disabled"
    if before.breaker_override != after.breaker_override and before.is_as(
        replace(after, breaker_override=before.breaker_override)
    ):
        return "breaker_forced"
    return "updated"


def kept_record(row: Row) -> RouterExtension:
    """The record of a revision."""
    return RouterExtension.of(msgspec.json.decode(row["document"]))
