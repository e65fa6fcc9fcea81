"""Looks again and again which contacts came, went or expired, and tells the news."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog

from ringback.kit.chores import Outage
from ringback.kit.db import CHUNK, Row
from ringback.kit.errors import Failure
from ringback.kit.pauses import rest
from ringback.kit.streams import chunks, paired
from ringback.kit.uow import Work
from ringback.registrar.contacts import service, store
from ringback.registrar.contacts.model import Refreshed
from ringback.registrar.extensions import service as extensions
from ringback.registrar.work import Uow

BATCH: Final = 50
"""Phones of one transaction: it must stay short, others write too."""

Verb = Callable[[list[Any], Uow], Awaitable[None]]

log = structlog.get_logger()


@dataclass(slots=True)
class Differences:
    """What one look found: new contacts by endpoint, lost ones by extension, and those that were refreshed."""

    endpoints: set[str] = field(default_factory=set)
    extensions: set[UUID] = field(default_factory=set)
    refreshed: Refreshed = field(default_factory=Refreshed)


class Feed:
    """Compares Asterisk's contacts with those that we last saw.

    The look is a read; each phone that differs is compared once more in the transaction that tells its news.
    """

    def __init__(self, work: Work[Uow], suffix: str) -> None:
        """`suffix` is what the names of our endpoints end in."""
        self._work = work
        self._suffix = suffix

    async def run(self, interval: float) -> None:
        """Until cancelled: a look every `interval` seconds, less often if it takes long; by one instance at a time."""
        outage = Outage("contacts", "contacts cannot be compared")
        while True:
            pause, begun = interval, time.monotonic()
            try:
                async with self._work.database.turn("contacts") as ours:
                    if ours:
                        await self.once()
                pause = rest(interval, time.monotonic() - begun)
                outage.is_over()
            except Exception as error:
                outage.tell(error)
            await asyncio.sleep(pause)

    async def once(self) -> None:
        """One look, and its news: first of those who lost a contact, since another may have it now.

        A contact of nobody is no news, and takes no lock; the reconciler sees to it.
        """
        found = await self._differences()
        await self._some(found.extensions, _compare_extensions)
        await self.compare(found.endpoints)
        await self.remember(found.refreshed)

    async def compare(self, endpoints: Iterable[str]) -> None:
        """Tell the news of these endpoints, a few in each transaction; those of nobody have none."""
        names = list(endpoints)
        for begin in range(0, len(names), CHUNK):
            some = names[begin : begin + CHUNK]
            ours = await self._work.read(partial(extensions.live_names, endpoint_ids=some))
            await self._some(ours, _compare_endpoints)

    async def remember(self, refreshed: Refreshed) -> None:
        """Note what has become of contacts that are the same as before."""
        await self._some(refreshed.other, lambda contacts, uow: store.change(uow.session, contacts))
        await self._some(refreshed.longer.items(), lambda ends, uow: store.prolong(uow.session, ends), store.PART)

    async def _some(self, items: Iterable[Any], verb: Verb, most: int = BATCH) -> None:
        """All of these, at most so many in each transaction."""
        rest = list(items)
        while rest:
            batch, rest = rest[:most], rest[most:]
            try:
                await self._work.write(partial(verb, batch))
            except Failure:
                raise
            except Exception:
                await self._one_by_one(batch, verb)
            await asyncio.sleep(0)

    async def _one_by_one(self, batch: list[Any], verb: Verb) -> None:
        """One phone that cannot be compared keeps no other from being told of."""
        for item in batch:
            try:
                await self._work.write(partial(verb, [item]))
            except Failure:
                raise
            except Exception as error:
                log.error("the contacts of a phone cannot be compared", action="contacts", exc_info=error)

    async def _differences(self) -> Differences:
        found = Differences()
        live = chunks(
            self._work, lambda uow, after: uow.sip.live_contacts(self._suffix, after, CHUNK, uow.now), _id, ""
        )
        async for new, old in paired(self._work, live, _id, lambda uow, ids: store.known(uow.session, ids)):
            if old is None or not _is_at(new, old):
                found.endpoints.add(new["endpoint"])
            else:
                found.refreshed.note(new, old)
        seen = chunks(self._work, lambda uow, after: store.behind(uow.session, after, CHUNK), _id, "")
        async for old, alive in paired(self._work, seen, _id, lambda uow, ids: uow.sip.contacts_of(ids, uow.now)):
            if alive is None or not _is_at(alive, old):
                found.extensions.add(old["extension_id"])
        return found


async def _compare_endpoints(names: list[str], uow: Uow) -> None:
    if found := await extensions.at_endpoints(uow, names, lock=True):
        await service.refresh(uow, *found)


async def _compare_extensions(ids: list[UUID], uow: Uow) -> None:
    if found := await extensions.locked(uow, ids):
        await service.refresh(uow, *found)
    if gone := set(ids) - {one.id for one in found}:
        await store.drop_all(uow.session, list(gone))


def _is_at(contact: Row, known: Row) -> bool:
    """Whether it is still that phone's; where Asterisk finds a phone by any letter case, a contact may be spelt so."""
    name = known["endpoint_id"]
    return name is not None and str(contact["endpoint"]).lower() == name.lower()


def _id(row: Any) -> str:
    return str(row["id"])
