"""The rules of the audit log: whoever may read it finds what is theirs; what must not stay is taken out."""

from datetime import datetime
from typing import Final
from uuid import UUID

from ringback.customers.audit import store, wire
from ringback.customers.audit.model import Old, Removal
from ringback.kit import audit
from ringback.kit.errors import NotFound
from ringback.kit.uow import UnitOfWork

KIND: Final = "audit"


class EntryNotFound(NotFound):
    """There is no such entry in the audit log."""

    reason = "AUDIT_ENTRY_NOT_FOUND"


async def newest(uow: UnitOfWork, asked: wire.ListAudit) -> wire.AuditPage:
    """One page of what was asked for."""
    rows = await store.newest(uow.session, asked.wanted, asked.before, asked.page_size + 1)
    return wire.page_of(rows, asked.page_size)


async def one(uow: UnitOfWork, id: int) -> wire.AuditEntry:
    """The entry of that number."""
    row = await store.one(uow.session, id)
    if row is None:
        raise EntryNotFound
    return wire.shown(row)


async def forget(uow: UnitOfWork, object_id: UUID) -> None:
    """Have the entries of somebody who is gone tell no more than who did what and when, soon after the commit."""
    await store.add_erasure(uow.session, object_id, uow.now)


async def forgotten(uow: UnitOfWork) -> list[UUID]:
    """Of whom that is still to be done."""
    return await store.erasures_begun(uow.session)


async def forget_some(uow: UnitOfWork, object_id: UUID, after: int) -> int:
    """Do it with some of the entries behind that number: the number of the last one, 0 where it is done."""
    last = await audit.blank(uow.session, object_id, after, "object_id")
    if last == 0:
        await store.drop_erasure(uow.session, object_id)
    return last


async def old(uow: UnitOfWork, until: datetime, found: Old | None) -> tuple[Old | None, bool]:
    """What is older than that beside what was found, as far as one look goes, and whether there may be more."""
    rows = await store.behind(uow.session, found.last_number if found else 0)
    young = next((number for number, row in enumerate(rows) if row["tm"] >= until), len(rows))
    if young == 0:
        return found, False
    first, count = (found.tm_from, found.count) if found else (rows[0]["tm"], 0)
    return Old(rows[young - 1]["id"], first, count + young), young == len(rows)


async def begin_removal(uow: UnitOfWork, until: datetime, found: Old) -> None:
    """From now on these entries go; an entry says so, without which the database would not let them."""
    removal = Removal(uow.new_id(), found.last_number, until)
    await store.add_removal(uow.session, removal, uow.now)
    told = {"from": found.tm_from, "until": until, "entries": found.count}
    uow.audited(KIND, None, {"id": removal.id, "customer_id": None, **told}, "removed")


async def removal(uow: UnitOfWork) -> Removal | None:
    """The removal that was begun and has not ended."""
    return await store.removal(uow.session)


async def remove_some(uow: UnitOfWork, begun: Removal) -> int:
    """Delete some of its entries; 0 ends it."""
    gone = await store.remove(uow.session, begun)
    if gone == 0:
        await store.drop_removal(uow.session, begun.id)
    return gone
