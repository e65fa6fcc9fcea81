"""What became of a phone's contacts: kept for some days, summed up, and gone with its customer."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from ringback.kit.chores import again_and_again
from ringback.kit.pages import Cursor, Page
from ringback.kit.uow import Work
from ringback.registrar.contacts import store
from ringback.registrar.contacts.model import Contact, Entry, Summary, plain
from ringback.registrar.extensions.model import Extension
from ringback.registrar.work import Uow

PAUSE: Final = 60.0
"""Seconds between two looks for what has been kept for long enough."""
NEWEST: Final = 1000
"""Entries that are summed up."""
HOUR: Final = timedelta(hours=1)


def note(uow: Uow, extension: Extension, contact: Contact, event: str, cause: str) -> None:
    """Keep what became of a contact; what is noted in one transaction stays in its order."""
    entry = Entry(
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
    uow.add_last(store.ADD_ENTRY, {name: getattr(entry, name) for name in store.ENTRY})


async def page(uow: Uow, extension: Extension, cursor: Cursor | None, size: int) -> Page[Entry]:
    """One page of it, newest first."""
    return await store.entries(uow.session, extension.id, cursor, size)


async def newest(uow: Uow, extension: Extension) -> Sequence[Entry]:
    """As much of it as is summed up, newest first."""
    return (await page(uow, extension, None, NEWEST)).items


async def summary(uow: Uow, extension: Extension) -> Summary:
    seen = await store.of_extensions(uow.session, [extension.id])
    is_here = any(contact.expiration_time > uow.now.timestamp() for contact in seen[extension.id].values())
    return summed_up(await newest(uow, extension), uow.now, is_here=is_here)


def summed_up(entries: Sequence[Entry], now: datetime, *, is_here: bool) -> Summary:
    """Of one phone's entries, newest first."""
    changes = flaps = 0
    address: str | None = None
    is_gone = False
    for entry in reversed(entries):
        if entry.event == "registered":
            changes += address is not None and address != entry.via_addr
            flaps += is_gone
            address, is_gone = entry.via_addr, False
        elif entry.tm_create > now - HOUR:
            is_gone = True
    last = now if is_here else entries[0].tm_create if entries else None
    return Summary(last, changes, flaps)


async def erase_some(uow: Uow, customer_id: UUID, after: UUID) -> UUID | None:
    """Forget some of a customer's entries behind `after`: the id of the last one, `None` when all are gone."""
    return await store.erase_entries(uow.session, customer_id, after)


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
    return await store.remove_entries(uow.session, until)
