"""Shapes of the audit log."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import msgspec

from ringback.kit.pages import LARGEST, PageSize
from ringback.kit.reading import Asked
from ringback.router.audit.model import Entry
from ringback.router.canonical import time_of

Newer = Annotated[str, msgspec.Meta(description="`next_page_token` of the page before", pattern="^[0-9]{0,18}$")]


class ListEntries(Asked, frozen=True, kw_only=True):
    """Which page, newest first."""

    page_size: PageSize = LARGEST
    page_token: Newer | None = None

    @property
    def before(self) -> int:
        """The number that everything on the page is below."""
        return int(self.page_token) if self.page_token else 1 << 62


class ListAllEntries(ListEntries, frozen=True, kw_only=True):
    """Which page of which of them."""

    customer_id: (
        Annotated[UUID, msgspec.Meta(description="a customer's UUID, from the operator: what that customer sees")]
        | None
    ) = None


class RouterAuditEntry(msgspec.Struct, frozen=True):
    """One change of the registry; `hash` chains it to the entry before."""

    id: int
    entity: str
    extension_id: str
    action: str
    changed_by: str
    source: str
    request_id: str | None
    registry_revision: int
    old_values: Any
    new_values: Any
    changes: dict[str, Any]
    timestamp: str
    prev_hash: str
    hash: str


class RouterAuditPage(msgspec.Struct, frozen=True):
    """A page of the audit log, newest first; `next_page_token` is empty on the last one."""

    result: list[RouterAuditEntry]
    next_page_token: str


class RouterAuditVerdict(msgspec.Struct, frozen=True):
    """Whether the whole chain is as it was written; `first_bad` is the first entry that is not."""

    ok: bool
    checked: int
    first_bad: int | None
    head: int


def shown(entry: Entry) -> RouterAuditEntry:
    old, new = (text and msgspec.json.decode(text) for text in (entry.old_values, entry.new_values))
    return RouterAuditEntry(
        entry.id, entry.entity, entry.extension_id, entry.action, entry.changed_by, entry.source, entry.request_id,
        entry.registry_revision, old, new, entry.changes(), time_of(entry.timestamp), entry.prev_hash, entry.hash,
    )  # fmt: skip


def page_of(entries: list[Entry], size: int, is_shown: Callable[[Entry], bool]) -> RouterAuditPage:
    """Of one entry more than the page shows, if there is one; it is shorter by those that are not shown."""
    more = len(entries) > size
    page = [shown(one) for one in entries[:size] if is_shown(one)]
    return RouterAuditPage(page, str(entries[size - 1].id) if more else "")
