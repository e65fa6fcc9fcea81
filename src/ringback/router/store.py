"""The head of the registry: its revision, its checksum, and the last entry of the audit log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, select, update

from ringback.kit.db import Session, Statement
from ringback.kit.errors import DatabaseUnavailable
from ringback.router.tables import registry_revision

ONLY: Final = registry_revision.c.id == 1
FIELDS: Final = ("revision", "checksum", "audit_id", "audit_hash")
READ: Final = select(*(registry_revision.c[name] for name in FIELDS)).where(ONLY)

HEAD = Statement(READ)
LOCKED = Statement(READ.with_for_update())
MOVE = Statement(
    update(registry_revision).where(ONLY, registry_revision.c.revision == bindparam("before")), *FIELDS, "updated_at"
)


@dataclass(frozen=True, slots=True)
class Head:
    """One transaction that changes anything is one revision, so revisions follow commits without a gap."""

    revision: int
    checksum: str
    audit_id: int
    audit_hash: str


async def read(session: Session, *, lock: bool = False) -> Head:
    """The head; with `lock` nobody else changes anything until the end of the transaction."""
    row = await session.one(LOCKED if lock else HEAD)
    if row is None:
        raise DatabaseUnavailable
    return Head(**row)


async def move(session: Session, head: Head, now: datetime) -> None:
    """Write a new head over the one before it."""
    values = {name: getattr(head, name) for name in FIELDS}
    await session.run(MOVE, before=head.revision - 1, updated_at=now, **values)
