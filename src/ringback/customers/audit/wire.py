"""The audit log as it is asked for and shown."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from ringback.kit.db import Row
from ringback.kit.pages import LARGEST, PageSize
from ringback.kit.reading import Asked, Identity, rule

Older = Annotated[str, msgspec.Meta(description="`next_page_token` of the page before", pattern="^[0-9]{0,18}$")]
WORD: Final = r"^[^\x00-\x1f\x7f-\x9f]{1,255}$"
Word = Annotated[
    str,
    rule(
        "1 to 255 characters, no control characters",
        lambda text: re.fullmatch(WORD, text) is not None,
        pattern=WORD,
    ),
]
Moment = Annotated[
    datetime,
    msgspec.Meta(tz=True),
    rule("a time with its zone, such as 2026-02-11T09:30:00Z", lambda moment: 1970 <= moment.year < 9000),
]
PLACE: Final = 1 << 62
"""A number above that of every entry."""


class ListAudit(Asked, frozen=True, kw_only=True):
    """Which entries, and which page of them; `from` is the first moment that counts, `to` the first that does not."""

    page_size: PageSize = LARGEST
    page_token: Older | None = None
    customer_id: Identity | None = None
    object_id: Identity | None = None
    kind: Word | None = None
    actor: Word | None = None
    action: Word | None = None
    from_: Moment | None = msgspec.field(default=None, name="from")
    to: Moment | None = None

    @property
    def before(self) -> int:
        """The number that everything on the page is below."""
        return int(self.page_token) if self.page_token else PLACE

    @property
    def wanted(self) -> dict[str, Any]:
        """The filters that were given."""
        names = ("customer_id", "object_id", "kind", "actor", "action")
        found = {**{name: getattr(self, name) for name in names}, "since": self.from_, "until": self.to}
        return {name: value for name, value in found.items() if value is not None}


class AuditEntry(msgspec.Struct, frozen=True):
    """One change: what an object was and is, without secrets; of a deleted customer who did what and when is left.

    `changes` names the fields that are others now, hidden ones too, each with its old and its new value.
    """

    id: int
    tm: datetime
    actor: str
    identity: str | None
    source: str
    address: str | None
    request_id: str | None
    action: str
    kind: str
    object_id: UUID
    customer_id: UUID | None
    changes: dict[str, Any]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditPage(msgspec.Struct, frozen=True):
    """A page of the audit log, newest first; `next_page_token` is empty on the last one."""

    result: list[AuditEntry]
    next_page_token: str


def shown(row: Row) -> AuditEntry:
    fields = dict(row)
    before, after = fields.pop("old_values"), fields.pop("new_values")
    names = fields.pop("changed")
    changes = {name: {"old": (before or {}).get(name), "new": (after or {}).get(name)} for name in names}
    return AuditEntry(**fields, changes=changes, before=before, after=after)


def page_of(rows: Sequence[Row], size: int) -> AuditPage:
    """Of one row more than the page shows, if there is one."""
    more = len(rows) > size
    return AuditPage([shown(row) for row in rows[:size]], str(rows[size - 1]["id"]) if more else "")
