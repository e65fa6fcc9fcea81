"""The write protocol: the only way in which anything of the registry changes (router 2.4)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from ringback.kit.columns import NIL
from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.events import Event
from ringback.router import store as heads
from ringback.router.audit import service as audit
from ringback.router.canonical import moved_checksum, plain, text_of, time_of
from ringback.router.extensions import rules, store, wire
from ringback.router.extensions.model import RouterExtension
from ringback.router.store import Head
from ringback.router.work import Uow

PUBLISHER: Final = "router-manager"
PURGED: Final = "purged"
"""What is done to a deleted one for good."""
CHANNEL: Final = "ringback_router_registry"
NAMESPACE: Final = UUID("6d8f5c1e-6f0b-4c39-9a3e-2b1f0f6f2a11")
"""For the ids of events' objects, whose own names are no UUIDs."""


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


async def begin(uow: Uow) -> Head:
    """From here to the commit nobody else changes the registry."""
    return await heads.read(uow.session, lock=True)


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
    """Rows, revisions, audit, news and the new head; the registry of this process follows the commit."""
    head = replace(head, revision=head.revision + 1)
    written: list[RouterExtension] = []
    for change in changes:
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
        old = before.record.document() if before else None
        head = await audit.note(uow, head, uow.by, "extension", record.id, change.action, old, record.document())
        parts = [before.part if before else 0, record.part]
        head = replace(head, checksum=moved_checksum(head.checksum, parts))
        written.append(record)
    await heads.move(uow.session, head, uow.now)
    await uow.session.notify(CHANNEL, str(head.revision))
    uow.written = head.revision
    for change, record in zip(changes, written, strict=True):
        if change.action != PURGED:  # its end was told when it was deleted
            uow.emit(_news(uow, head, change.action, record))
    uow.emit(_event(uow, head, "registry_revision", NIL, {"revision": head.revision, "audit_hash": head.audit_hash}))
    uow.after(lambda: uow.registry.follow(head.revision, written))
    return written


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


def _news(uow: Uow, head: Head, action: str, record: RouterExtension) -> Event:
    kind = {"created": "extension_created", "deleted": "extension_deleted"}.get(action, "extension_updated")
    data = {"id": record.id} if action == "deleted" else wire.told(record)
    return _event(uow, head, kind, uuid5(NAMESPACE, record.id), data)


def _event(uow: Uow, head: Head, kind: str, about: UUID, data: dict[str, Any]) -> Event:
    """One of this transaction; what is about no single object comes behind all others of it."""
    body = wire.ExtensionEvent(head.revision, uow.registry.node, time_of(uow.now), data)
    return Event(PUBLISHER, kind, about, about, body)


def immutable(field: str, value: object) -> Fault:
    return Fault(field, f"cannot be changed: it is {value}", "immutable_field")
