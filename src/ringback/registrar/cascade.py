"""The end of a customer: whatever is theirs is deleted, one by one, and then forgotten, until nothing is left."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog

from ringback.calls.records import service as calls
from ringback.customers import service as customers
from ringback.kit import audit, inbox
from ringback.kit.columns import NIL
from ringback.kit.db import CHUNK
from ringback.kit.errors import DatabaseUnavailable, Failure, NotFound, Unavailable
from ringback.kit.streams import chunked
from ringback.kit.uow import Work
from ringback.registrar.contacts import history
from ringback.registrar.extensions import service as extensions
from ringback.registrar.plans import service as plans
from ringback.registrar.realms import service as realms
from ringback.registrar.trunks import service as trunks
from ringback.registrar.work import Uow

Find = Callable[[Uow, UUID, UUID, int], Awaitable[list[UUID]]]
Delete = Callable[..., Awaitable[Any]]
Erase = Callable[..., Awaitable[UUID | None]]
KINDS: Final[tuple[tuple[Find, Delete], ...]] = (
    (extensions.live_ids, extensions.delete),
    (trunks.live_ids, trunks.delete),
)
ERASURES: Final[tuple[Erase, ...]] = (extensions.erase_some, trunks.erase_some, history.erase_some, calls.erase_some)
"""What of deleted objects is forgotten, some of them at a time."""

log = structlog.get_logger()


class Incomplete(Unavailable):
    """Some of the customer's objects could not be deleted."""


async def end(work: Work[Uow], customer_id: UUID, tell: Callable[[int], None] = lambda done: None) -> int:
    """Delete the customer and all of theirs; how many objects there were. Done again it goes on where it was.

    Then whatever says who they were is forgotten, but for what is kept a day anyway: events, and answers to requests.
    Each object goes in a transaction of its own with its events. One that fails does not keep the others; `Incomplete`
    says so at the end. `tell` hears how many are done.
    """
    await work.write(partial(_begin, customer_id))
    done, complete = 0, True
    for find, delete in KINDS:
        async for id in chunked(work, partial(_ids, find, customer_id), _itself, NIL):
            gone = await _end_one(work, delete, id)
            done += gone is True
            complete = complete and gone is not None
            tell(done)
            await asyncio.sleep(0)  # whoever else has a request goes first
    if not complete:
        raise Incomplete
    await _forget(work, customer_id)
    return done


async def _begin(customer_id: UUID, uow: Uow) -> None:
    """From now on there is nothing to take back either: what was applied is forgotten at once."""
    await customers.end(uow, customer_id)
    await plans.forget(uow, customer_id)


async def resume(work: Work[Uow]) -> None:
    """Go on with every deleted customer of whom something is left; one that fails does not keep the others."""
    for customer_id in await work.read(realms.left_over):
        log.info("going on with the end of a customer", action="customer_deleted")
        try:
            await end(work, customer_id)
        except Exception as failure:
            known = isinstance(failure, Failure)
            log.warning("a deleted customer stays", action="customer_deleted", exc_info=None if known else failure)


async def _forget(work: Work[Uow], customer_id: UUID) -> None:
    """What the customer's rows said; of their entries in the audit log who did what and when stays, and no name."""
    for erase in ERASURES:
        after: UUID | None = NIL
        while after is not None:
            after = await work.write(partial(erase, customer_id=customer_id, after=after))
            await asyncio.sleep(0)
    await work.write(partial(_forget_rest, customer_id=customer_id))
    last: int | None = None
    while last != 0:
        last = await work.write(partial(_blank, customer_id, last or 0))
        await asyncio.sleep(0)
    await work.write(partial(realms.drop, customer_id=customer_id))


async def _forget_rest(uow: Uow, customer_id: UUID) -> None:
    await customers.erase(uow, customer_id)
    await inbox.forget(uow.session, str(customer_id))


async def _blank(customer_id: UUID, after: int, uow: Uow) -> int:
    return await audit.blank(uow.session, customer_id, after)


async def _ids(find: Find, customer_id: UUID, uow: Uow, after: UUID) -> list[UUID]:
    return await find(uow, customer_id, after, CHUNK)


def _itself(id: UUID) -> UUID:
    return id


async def _end_one(work: Work[Uow], delete: Delete, id: UUID) -> bool | None:
    """Whether we deleted it, not somebody else who was faster; `None` if nobody can."""
    try:
        await work.write(partial(delete, id=id, of=None))
    except NotFound:
        return False
    except DatabaseUnavailable:
        raise
    except Exception as error:
        log.error("an object of a deleted customer stays", action="customer_deleted", exc_info=error)
        return None
    return True
