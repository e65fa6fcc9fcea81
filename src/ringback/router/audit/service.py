"""The rules of the audit log: each entry in the transaction of its change, and none changed or missing since."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from typing import Any

from ringback.kit.audit import Actor
from ringback.kit.db import Row
from ringback.router import store as heads
from ringback.router.audit import store
from ringback.router.audit.model import FIRST, Entity, Entry, Mark, Verdict
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


async def newest(uow: Uow, entity: Entity) -> AsyncIterator[tuple[str, str]]:
    """Key and document of everything of that kind that there ever was, as it was written last."""
    after = ""
    while entries := await store.newest_of_each(uow.session, entity, after):
        for entry in entries:
            if entry.new_values:
                yield entry.extension_id, entry.new_values
        after = entries[-1].extension_id
        await asyncio.sleep(0)


async def still(uow: Uow, mark: Mark | None, now: Mark) -> Mark:
    """What a file shall remember: `now`; or for ever the mark that the log has no more, since that is the proof."""
    if mark is None or mark.id == 0 or await store.hash_of(uow.session, mark.id) == mark.hash:
        return now
    return mark


async def verify(uow: Uow) -> Verdict:
    """Compute the whole chain anew: no entry altered, none missing, none behind the head or short of it (R-5c).

    Where this node keeps a file, the log must have what that remembers: whoever removes the newest entries and sets the
    head back is found out by it. Others may write meanwhile; hashes are made off the loop's thread.
    """
    mark = uow.registry.audited
    followed = Followed(mark=mark)
    while True:
        head = await heads.read(uow.session)
        rows = await store.behind(uow.session, followed.last)
        if not rows:
            break
        if not await asyncio.to_thread(followed.take, rows):
            return followed.verdict(head, followed.last + 1)
    if (followed.last, followed.hash) != (head.audit_id, head.audit_hash):
        return followed.verdict(head, min(followed.last, head.audit_id) + 1)
    if mark and mark.id > followed.last:
        return followed.verdict(head, followed.last + 1)
    return followed.verdict(head, None)


@dataclass(slots=True)
class Followed:
    """How far the chain was followed, and what its last entry says."""

    mark: Mark | None = None
    last: int = 0
    hash: str = FIRST

    def take(self, rows: Iterable[Row]) -> bool:
        """Go on by some rows; whether each is the next one, as it was written."""
        for row in rows:
            try:
                entry = store.from_row(row)
                is_next = (entry.id, entry.prev_hash, entry.hash) == (self.last + 1, self.hash, entry.computed())
            except (AttributeError, TypeError, ValueError):  # it is no entry any more
                return False
            if not is_next or (self.mark and self.mark.id == entry.id and self.mark.hash != entry.hash):
                return False
            self.last, self.hash = entry.id, entry.hash
        return True

    def verdict(self, head: Head, first_bad: int | None) -> Verdict:
        return Verdict(ok=first_bad is None, checked=self.last, first_bad=first_bad, head=head.audit_id)
