"""The rules of router extensions: make, change, end and find them; every change by the one write protocol."""

import asyncio
from collections.abc import Container, Mapping
from dataclasses import replace
from typing import Any, Literal

import msgspec

from ringback.kit.errors import Fault, ValidationFailed
from ringback.kit.merging import merged
from ringback.router.extensions import rules, store
from ringback.router.extensions.health import health as health  # among the functions of the design document
from ringback.router.extensions.listing import place_of
from ringback.router.extensions.model import (
    ExtensionExists,
    ExtensionNotFound,
    RevisionConflict,
    RevisionNotFound,
    RouterExtension,
    Type,
)
from ringback.router.extensions.since import current
from ringback.router.extensions.wire import ChangeRouterExtension, NewRouterExtension
from ringback.router.extensions.writing import Change, Standing, immutable, standing, write
from ringback.router.policies.uses import require_optional, require_unnamed
from ringback.router.secrets import restored
from ringback.router.store import Head
from ringback.router.work import Uow
from ringback.router.writing import begin

TIMEOUT, RETRY = 5000, 1
"""Of a new extension that names none."""
EDITABLE = ("subject", "timeout_ms", "retry", "enabled", "share_subject", "config", "metadata")


def list_all(uow: Uow) -> list[RouterExtension]:
    """All that are not deleted, by type and id, from memory."""
    return sorted(uow.registry.served().by_id.values(), key=place_of)


def list_by_type(uow: Uow, type: Type) -> list[RouterExtension]:
    """The same of one type."""
    return [one for one in list_all(uow) if one.type == type]


def get(uow: Uow, id: str) -> RouterExtension:
    """One that is not deleted, from memory."""
    return uow.registry.require(id)


async def list_deleted(uow: Uow) -> list[RouterExtension]:
    """All that are deleted, by type and id, from the database."""
    found = [row async for page in store.pages(uow.session) for row in page if row["deleted_at"] is not None]
    return sorted(map(store.from_row, found), key=place_of)


async def create(uow: Uow, asked: NewRouterExtension) -> RouterExtension:
    """Make one; the id of a deleted one may be used again, and its revisions go on."""
    head = await begin(uow)
    before = await standing(uow, asked.id)
    if before and before.record.is_live:
        raise ExtensionExists(id="is taken")
    given = {name: value for name, value in asked.given().items() if name != "comment"}
    record = RouterExtension(
        **{"timeout_ms": TIMEOUT, "retry": RETRY, **given},
        created_at=uow.now,
        created_by=uow.by.name,
        updated_at=uow.now,
        updated_by=uow.by.name,
    )
    (written,) = await write(uow, head, [Change("created", before, record, asked.comment)])
    return written


async def update(
    uow: Uow,
    id: str,
    changes: ChangeRouterExtension,
    *,
    merge: bool = False,
    expected: Container[int] | None = None,
    force: bool = False,
) -> RouterExtension:
    """Change any of its fields: `config` and `metadata` are replaced whole, or merged (RFC 7396).

    `expected` are revisions that the caller has seen; `RevisionConflict` when it is another one by now. Without `force`
    it is neither disabled nor taken from a customer while a policy of theirs requires it: `InUse`, as of `disable`.
    """
    head = await begin(uow)
    before = await _live(uow, id, expected)
    after = _changed(before.record, changes, merge=merge)
    if not force:
        await _require_optional(uow, head, before.record, after)
    return await _write_unless_same(uow, head, before, after, "updated", changes.comment)


async def enable(uow: Uow, id: str, *, expected: Container[int] | None = None) -> RouterExtension:
    """Let it be found; nothing happens if it is."""
    return await _switch(uow, id, expected, "enabled", enabled=True)


async def disable(uow: Uow, id: str, *, expected: Container[int] | None = None, force: bool = False) -> RouterExtension:
    """Let it not be found; nothing happens if it is not."""
    return await _switch(uow, id, expected, "disabled", enabled=False, force=force)


async def delete(uow: Uow, id: str, *, expected: Container[int] | None = None, force: bool = False) -> RouterExtension:
    """End it; its row, its revisions and its audit stay. Without `force` `InUse` while a policy names it."""
    head = await begin(uow)
    before = await _live(uow, id, expected)
    if not force:
        await asyncio.to_thread(require_unnamed, (await current(uow, head)).policies.values(), id)
    after = _by(uow, replace(before.record, deleted_at=uow.now))
    (written,) = await write(uow, head, [Change("deleted", before, after)])
    return written


async def restore(uow: Uow, id: str) -> RouterExtension:
    """Bring a deleted one back as it was; nothing happens to one that is there."""
    head = await begin(uow)
    before = await standing(uow, id)
    if before is None or before.is_purged:
        raise ExtensionNotFound
    after = replace(before.record, deleted_at=None)
    return await _write_unless_same(uow, head, before, after, "restored")


async def rollback(
    uow: Uow,
    id: str,
    to: int,
    *,
    comment: str | None = None,
    expected: Container[int] | None = None,
    force: bool = False,
) -> RouterExtension:
    """A new revision that says what an old one said, but for what the operator switches (R-4a).

    Without `force` it is not taken from a customer while a policy of theirs requires it: `InUse`.
    """
    head = await begin(uow)
    before = await _live(uow, id, expected)
    old = await revision(uow, id, to)
    now = before.record
    after = replace(
        RouterExtension.of(msgspec.json.decode(old["document"])),
        enabled=now.enabled,
        breaker_override=now.breaker_override,
        deleted_at=None,
        created_at=now.created_at,
        created_by=now.created_by,
    )
    if after.type != now.type:
        raise ValidationFailed(immutable("type", now.type))
    if not force:
        await _require_optional(uow, head, now, after)
    return await _write_unless_same(uow, head, before, after, "rolled_back", comment)


async def force_breaker(
    uow: Uow,
    id: str,
    force: Literal["open", "closed", "none"],
    *,
    comment: str | None = None,
    expected: Container[int] | None = None,
) -> RouterExtension:
    """Hold its breaker open or closed on all nodes, or let it go by itself (R-8e); nothing happens if it is so."""
    head = await begin(uow)
    before = await _live(uow, id, expected)
    after = replace(before.record, breaker_override=None if force == "none" else force)
    return await _write_unless_same(uow, head, before, after, "breaker_forced", comment)


async def revision(uow: Uow, id: str, number: int) -> Mapping[str, Any]:
    """A revision as it was kept: its number, its document as text, who wrote it and when."""
    if row := await uow.session.one(store.REVISION, of=id, number=number):
        return row
    raise RevisionNotFound


async def revisions(uow: Uow, id: str, before: int, size: int) -> list[Mapping[str, Any]]:
    """Up to `size` revisions older than `before`, newest first."""
    found = await uow.session.all(store.REVISIONS, of=id, before=before, size=size)
    if not found and not await store.last_revision(uow.session, id):
        raise ExtensionNotFound
    return list(found)


async def _live(uow: Uow, id: str, expected: Container[int] | None) -> Standing:
    found = await standing(uow, id)
    if found is None or not found.record.is_live:
        raise ExtensionNotFound
    if expected is not None and found.last not in expected:
        raise RevisionConflict(found.last)
    return found


async def _switch(
    uow: Uow, id: str, expected: Container[int] | None, action: str, *, enabled: bool, force: bool = True
) -> RouterExtension:
    head = await begin(uow)
    before = await _live(uow, id, expected)
    after = replace(before.record, enabled=enabled)
    if not force:
        await _require_optional(uow, head, before.record, after)
    return await _write_unless_same(uow, head, before, after, action)


async def _require_optional(uow: Uow, head: Head, before: RouterExtension, after: RouterExtension) -> None:
    """`InUse` where a policy requires it whose runs could call it before the change, and cannot after it."""
    if before.enabled and not (after.enabled and after.metadata == before.metadata):
        policies = (await current(uow, head)).policies.values()
        losing = (
            one
            for one in policies
            if before.serves(one.customer_id) and not (after.enabled and after.serves(one.customer_id))
        )
        await asyncio.to_thread(require_optional, losing, before.id)


async def _write_unless_same(
    uow: Uow, head: Any, before: Standing, after: RouterExtension, action: str, comment: str | None = None
) -> RouterExtension:
    if after.is_as(before.record):
        return before.record
    (written,) = await write(uow, head, [Change(action, before, _by(uow, after), comment)])
    return written


def _by(uow: Uow, record: RouterExtension) -> RouterExtension:
    return replace(record, updated_at=uow.now, updated_by=uow.by.name)


def _changed(before: RouterExtension, changes: ChangeRouterExtension, *, merge: bool) -> RouterExtension:
    faults = [
        immutable(name, getattr(before, name))
        for name in ("id", "type")
        if getattr(changes, name) not in (None, getattr(before, name))
    ]
    given = {name: value for name, value in changes.given().items() if name in EDITABLE}
    if not given and not faults and not changes.given().keys() & {"id", "type"}:
        faults.append(Fault("", "names nothing that could change", "empty_update"))
    for name in ("config", "metadata"):
        if name in given:
            known = getattr(before, name)
            given[name] = restored(merged(known, given[name]) if merge else given[name], known)
    faults += rules.faults({**before.document(), **given})
    if faults:
        raise ValidationFailed(*faults)
    return replace(before, **given)
