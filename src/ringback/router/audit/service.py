"""The rules of the audit log: each entry in the transaction of its change, and none changed or missing since."""

from dataclasses import replace
from typing import Any

from ringback.router import store as heads
from ringback.router.audit import store
from ringback.router.audit.model import FIRST, Actor, Entity, Entry, Verdict
from ringback.router.canonical import text_of
from ringback.router.secrets import redacted
from ringback.router.store import Head
from ringback.router.work import Uow


async def note(
    uow: Uow, head: Head, by: Actor, entity: Entity, key: str, action: str, old: Any | None, new: Any | None
) -> Head:
    """Add an entry behind the last one; the head that names it."""
    entry = Entry(
        id=head.audit_id + 1,
        entity=entity,
        extension_id=key,
        action=action,
        changed_by=by.name,
        source=by.source,
        request_id=by.request_id,
        registry_revision=head.revision,
        old_values=None if old is None else text_of(redacted(old)),
        new_values=None if new is None else text_of(redacted(new)),
        timestamp=uow.now,
        prev_hash=head.audit_hash,
    )
    entry = replace(entry, hash=entry.computed())
    await store.add(uow.session, entry)
    return replace(head, audit_id=entry.id, audit_hash=entry.hash)


async def latest(uow: Uow, of: str | None, before: int, size: int) -> list[Entry]:
    """Up to `size` entries older than `before`, newest first; with `of`, those of one extension."""
    return await store.latest(uow.session, of, before, size)


async def verify(uow: Uow) -> Verdict:
    """Compute the whole chain anew: no entry altered, none missing, none behind the head or short of it (R-5c)."""
    head = await heads.read(uow.session)
    last, hash = 0, FIRST
    while some := await store.behind(uow.session, last):
        for entry in some:
            if entry.id != last + 1 or entry.prev_hash != hash or entry.hash != entry.computed():
                return Verdict(ok=False, checked=last, first_bad=last + 1, head=head.audit_id)
            last, hash = entry.id, entry.hash
    if (last, hash) != (head.audit_id, head.audit_hash):
        return Verdict(ok=False, checked=last, first_bad=min(last, head.audit_id) + 1, head=head.audit_id)
    return Verdict(ok=True, checked=last, first_bad=None, head=head.audit_id)
