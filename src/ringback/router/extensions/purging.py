"""What was deleted long ago goes for good: row, counts, revisions; a note of it and its audit stay (R-6c)."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from ringback.router.extensions import store
from ringback.router.extensions.adopting import INITIAL
from ringback.router.extensions.model import RouterExtension
from ringback.router.extensions.writing import PURGED, Change, standing, write
from ringback.router.work import Uow
from ringback.router.writing import begin

LEAST: Final = 30
"""Days that what was deleted can be restored, at least."""


async def purgeable(uow: Uow, before: datetime) -> list[str]:
    """Ids of all that were deleted before that moment, but for those that came with the schema."""
    return [id for id in await store.deleted_before(uow.session, before) if not await _is_initial(uow, id)]


async def purge(uow: Uow, ids: Iterable[str], before: datetime) -> list[RouterExtension]:
    """Purge those of them that are still deleted since before that moment.

    Of each stays one revision that says so, with the next number and without config and metadata: whoever uses the id
    again goes on from it, and no number ever means two things.
    """
    head = await begin(uow)
    changes: list[Change] = []
    for id in ids:
        found = await standing(uow, id)
        since = found.record.deleted_at if found and not found.is_purged else None
        if found and since and since < before and not await _is_initial(uow, id):
            after = replace(found.record, config={}, metadata={}, updated_at=uow.now, updated_by=uow.by.name)
            changes.append(Change(PURGED, found, after))
    return await write(uow, head, changes) if changes else []


async def _is_initial(uow: Uow, id: str) -> bool:
    """Whether it came with the schema, whoever may have changed it since."""
    first = await uow.session.one(store.REVISION, of=id, number=1)
    return first is not None and first["created_by"] == INITIAL.name
