"""The end of a customer: whatever is theirs is deleted, one by one, until nothing is left."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog

from ringback.kit.errors import DatabaseUnavailable, NotFound, Unavailable
from ringback.kit.uow import Work
from ringback.registrar.extensions import service as extensions
from ringback.registrar.realms import service as realms
from ringback.registrar.realms.model import Status
from ringback.registrar.trunks import service as trunks
from ringback.registrar.work import Uow

PAGE: Final = 100

Find = Callable[[Uow, UUID, int], Awaitable[list[Any]]]
Delete = Callable[..., Awaitable[Any]]
KINDS: Final[tuple[tuple[Find, Delete], ...]] = (
    (extensions.live_of, extensions.delete),
    (trunks.live_of, trunks.delete),
)

log = structlog.get_logger()


class Incomplete(Unavailable):
    """Some of the customer's objects could not be deleted."""


async def end(work: Work[Uow], customer_id: UUID, tell: Callable[[int], None] = lambda done: None) -> int:
    """Delete the customer and all of theirs; how many objects there were. Done again it goes on where it was.

    Each object goes in a transaction of its own with its events. One that fails does not keep the others; `Incomplete`
    says so at the end. `tell` hears how many are done.
    """
    await work.write(partial(realms.set_status, customer_id=customer_id, status=Status.DELETED))
    done = 0
    failed: set[UUID] = set()
    for find, delete in KINDS:
        while ids := await work.read(partial(_ids, find, customer_id, failed)):
            for id in ids:
                done += await _is_deleted(work, delete, id, failed)
                tell(done)
            await asyncio.sleep(0)
    if failed:
        raise Incomplete
    await work.write(partial(realms.drop, customer_id=customer_id))
    return done


async def resume(work: Work[Uow]) -> None:
    """Go on with every deleted customer of whom something is left."""
    for customer_id in await work.read(realms.left_over):
        log.info("going on with the end of a customer", action="customer_deleted")
        try:
            await end(work, customer_id)
        except Incomplete as failure:
            log.warning(failure.sentence, action="customer_deleted")


async def _ids(find: Find, customer_id: UUID, but: set[UUID], uow: Uow) -> list[UUID]:
    found = await find(uow, customer_id, PAGE + len(but))
    return [item.id for item in found if item.id not in but]


async def _is_deleted(work: Work[Uow], delete: Delete, id: UUID, failed: set[UUID]) -> bool:
    try:
        await work.write(partial(delete, id=id, of=None))
    except NotFound:  # somebody else was faster
        return False
    except DatabaseUnavailable:
        raise
    except Exception as error:
        log.error("an object of a deleted customer stays", action="customer_deleted", exc_info=error)
        failed.add(id)
        return False
    return True
