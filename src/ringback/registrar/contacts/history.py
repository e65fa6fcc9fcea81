"""What became of a phone's contacts: kept for some days, summed up, and gone with its customer."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from ringback.kit.chores import again_and_again
from ringback.kit.pages import Cursor, Page
from ringback.kit.uow import Work
from ringback.registrar.contacts import store
from ringback.registrar.contacts.model import Contact, Past, Summary, plain
from ringback.registrar.extensions.model import Extension
from ringback.registrar.work import Uow

PAUSE: Final = 60.0
"""Seconds between two looks for what has been kept for long enough."""
NEWEST: Final = 1000
"""Entries that are summed up."""
HOUR: Final = timedelta(hours=1)


async def note(uow: Uow, extension: Extension, contact: Contact, event: str, cause: str) -> None:
    """Keep what became of a contact; what is noted in one transaction stays in its order."""
    past = Past(
        id=uow.new_id(),
        customer_id=extension.customer_id,
        extension_id=extension.id,
        event=event,
        cause=cause,
        contact=contact.public_id,
        uri=contact.plain_uri[:511],
        transport=contact.transport[:32],
        user_agent=plain(contact.user_agent)[:255],
        via_addr=contact.via_addr[:40],
        via_port=contact.via_port,
        path=plain(contact.path),
        reg_server=plain(contact.reg_server)[:255],
        tm_create=uow.now + timedelta(microseconds=len(uow.events)),
    )
    await store.add_past(uow.session, past)


async def page(uow: Uow, extension: Extension, cursor: Cursor | None, size: int) -> Page[Past]:
    """One page of it, newest first."""
    return await store.past(uow.session, extension.id, cursor, size)


async def summary(uow: Uow, extension: Extension) -> Summary:
    seen = await store.of_extension(uow.session, extension.id)
    is_here = any(contact.expiration_time > uow.now.timestamp() for contact in seen.values())
    newest = await store.past(uow.session, extension.id, None, NEWEST)
    return summed_up(newest.items, uow.now, is_here=is_here)


def summed_up(newest_first: Iterable[Past], now: datetime, *, is_here: bool) -> Summary:
    """Of one phone's entries."""
    entries = list(newest_first)
    changes = flaps = 0
    address: str | None = None
    is_gone = False
    for past in reversed(entries):
        if past.event == "registered":
            changes += address is not None and address != past.via_addr
            flaps += is_gone
            address, is_gone = past.via_addr, False
        elif past.tm_create > now - HOUR:
            is_gone = True
    last = now if is_here else entries[0].tm_create if entries else None
    return Summary(last, changes, flaps)


async def erase_some(uow: Uow, customer_id: UUID, after: UUID) -> UUID | None:
    """Forget some of a customer's entries behind `after`: the id of the last one, `None` when all are gone."""
    return await store.erase_past(uow.session, customer_id, after)


class HistoryKeeping:
    """Takes out what has been kept for `days`, some in each transaction."""

    def __init__(self, work: Work[Uow], days: int) -> None:
        self._work = work
        self._days = days

    async def run(self) -> None:
        """Until cancelled."""
        await again_and_again(self.once, PAUSE, action="contacts", failure="the history of contacts is not kept")

    async def once(self) -> None:
        """All that is due now, unless another instance is at it."""
        until = self._work.now() - timedelta(days=self._days)
        async with self._work.database.turn("contact_history") as ours:
            gone = int(ours)
            while gone:
                gone = await self._work.write(partial(_remove_some, until))
                await asyncio.sleep(0)


async def _remove_some(until: datetime, uow: Uow) -> int:
    return await store.remove_past(uow.session, until)
