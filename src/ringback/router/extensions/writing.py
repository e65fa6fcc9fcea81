"""How a change of a router extension is written: its row, its revision, and what every change of the registry is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid5

import msgspec

from ringback.kit.errors import Fault, ValidationFailed
from ringback.router.canonical import plain, text_of
from ringback.router.extensions import rules, store, wire
from ringback.router.extensions.model import RouterExtension
from ringback.router.store import Head
from ringback.router.work import Uow
from ringback.router.writing import NAMESPACE, News, Written, seal

PURGED: Final = "purged"
"""What is done to a deleted one for good."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an extension stands now: its row, and what its last revision adds to the checksum of the registry."""

    record: RouterExtension
    last: int
    part: int
    is_purged: bool = False
    """Nothing is left of it but its number, which goes on."""


@dataclass(frozen=True, slots=True)
class Change:
    """One record of a transaction: what is done to it, how it stood, how it shall be (its revision is given here)."""

    action: str
    before: Standing | None
    after: RouterExtension
    comment: str | None = None


async def standing(uow: Uow, id: str) -> Standing | None:
    """How an extension stands, deleted or not; after `begin`. A row that was broken by hand counts as last written."""
    row = await store.one(uow.session, id, lock=True)
    last = await store.last_revision(uow.session, id)
    kept = RouterExtension.of(msgspec.json.decode(last["document"])) if last else None
    try:
        record = rules.record_of(row) if row else kept
    except ValidationFailed:
        record = kept
    if record is None:
        return None
    is_purged = row is None and last is not None and last["action"] == PURGED
    return Standing(record, kept.revision if kept else 0, kept.part if kept else 0, is_purged)


async def write(uow: Uow, head: Head, changes: Sequence[Change]) -> list[RouterExtension]:
    """Rows and revisions, and whatever else a change of the registry is."""
    head = replace(head, revision=head.revision + 1)
    written = [await _written(uow, head, change) for change in changes]
    await seal(uow, head, [_to_tell(change, record) for change, record in zip(changes, written, strict=True)])
    return written


async def _written(uow: Uow, head: Head, change: Change) -> RouterExtension:
    before = change.before
    documents = {name: plain(getattr(change.after, name)) for name in ("config", "metadata")}
    record = replace(change.after, **documents, revision=(before.last if before else 0) + 1)
    if faults := list(rules.faults(record.document())):
        raise ValidationFailed(*faults)
    if change.action == PURGED:
        await store.forget(uow.session, record.id)
    else:
        await store.put(uow.session, record, new=await store.one(uow.session, record.id) is None)
    await _keep(uow, head, change, record)
    return record


async def _keep(uow: Uow, head: Head, change: Change, record: RouterExtension) -> None:
    await uow.session.run(
        store.ADD_REVISION,
        extension_id=record.id,
        revision=record.revision,
        registry_revision=head.revision,
        action=change.action,
        document=text_of(record.document()),
        checksum=record.checksum,
        comment=change.comment,
        created_at=uow.now,
        created_by=uow.by.name,
    )


def _to_tell(change: Change, record: RouterExtension) -> Written:
    before = change.before
    old = before.record.document() if before else None
    parts = (before.part if before else 0, record.part)
    return Written(
        record, "extension", record.id, change.action, old, record.document(), parts, _news(change.action, record)
    )


def _news(action: str, record: RouterExtension) -> News | None:
    if action == PURGED:  # its end was told when it was deleted
        return None
    kind = {"created": "extension_created", "deleted": "extension_deleted"}.get(action, "extension_updated")
    data = {"id": record.id} if action == "deleted" else wire.told(record)
    return News(kind, uuid5(NAMESPACE, record.id), data)


def immutable(field: str, value: object) -> Fault:
    return Fault(field, f"cannot be changed: it is {value}", "immutable_field")
