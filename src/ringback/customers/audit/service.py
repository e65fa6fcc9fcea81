"""The rules of the audit log: whoever may read it finds what is theirs, newest first."""

from ringback.customers.audit import store, wire
from ringback.kit.errors import NotFound
from ringback.kit.uow import UnitOfWork


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
