"""The audit log: who changed what, when and from where, written in the transaction of the change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    insert,
    null,
    or_,
    select,
    update,
)

from ringback.kit.columns import Id, Json, Time
from ringback.kit.db import OWN, Session, Statement, among
from ringback.kit.log import REDACTED, clean, is_telling
from ringback.kit.secret import Secret

Source = Literal["rest", "rpc", "cli", "event", "system", "sql"]
BATCH: Final = 100
LONGEST: Final = 255
UNSAID: Final = ("tm_update",)
"""Fields that are others after every change."""
BESIDE: Final = ("id", "customer_id")
"""Fields that stand in columns of their own."""

metadata = MetaData(schema=OWN)
entries = Table(
    "ringback_audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("customer_id", Id),
    Column("tm", Time, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("identity", String(255)),
    Column("source", String(16), nullable=False),
    Column("address", String(64)),
    Column("request_id", String(64)),
    Column("action", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("object_id", Id, nullable=False),
    Column("changed", Json, nullable=False),
    Column("old_values", Json),
    Column("new_values", Json),
    Index("idx_ringback_audit_customer", "customer_id", "id"),
    Index("idx_ringback_audit_object", "object_id", "id"),
    sqlite_autoincrement=True,
)
COLUMNS: Final = tuple(column.name for column in entries.columns if column.name != "id")

ADD = Statement(insert(entries), *COLUMNS)
TELLING: Final = {
    name: Statement(
        select(entries.c.id)
        .where(
            entries.c[name] == bindparam("of"),
            entries.c.id > bindparam("after"),
            or_(entries.c.old_values.is_not(None), entries.c.new_values.is_not(None), entries.c.address.is_not(None)),
        )
        .order_by(entries.c.id)
        .limit(BATCH)
    )
    for name in ("customer_id", "object_id")
}
"""Entries of a customer or of an object that tell more than who did what and when."""
BLANK = Statement(
    update(entries).where(among(entries.c.id, "ids")).values(old_values=null(), new_values=null(), address=null())
)


class Actor(msgspec.Struct, frozen=True):
    """Who is at work, by what door, in which request and from which address.

    `name` is `key:…`, `agent:…`, `person:…`, `cli:…`, `rpc:…`, `event:…` or `system`; `identity` tells it from others
    of that name.
    """

    name: str
    source: Source
    request_id: str | None = None
    address: str | None = None
    identity: str | None = None


SYSTEM: Final = Actor("system", "system")


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one object; `old` and `new` are its documents without secrets.

    `changed` names the fields that are others now, those whose values are hidden too.
    """

    kind: str
    object_id: UUID
    owner_id: UUID | None
    action: str
    changed: tuple[str, ...]
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None


def change(kind: str, before: object | None, after: object | None, action: str | None = None) -> Change | None:
    """What became of an object of which this was there before and that is there now; `None` where that is the same.

    Each is a struct, a dataclass or a mapping with an `id` and a `customer_id`: what has no id has the customer's, what
    has no customer is one.
    """
    old, new = document(before), document(after)
    known = new or old or {}
    id = known.get("id") or known["customer_id"]
    both = {*old, *new} if old and new else ()
    changed = sorted(name for name in both if old.get(name) != new.get(name) and name not in UNSAID)
    if old and new and not changed:
        return None
    by_itself = "updated" if old and new else "created" if new else "deleted"
    whose = known.get("customer_id", id)
    return Change(
        kind,
        msgspec.convert(id, UUID),
        msgspec.convert(whose, UUID) if whose else None,
        action or by_itself,
        tuple(changed),
        *(_shown({name: value for name, value in one.items() if name not in BESIDE}) for one in (old, new)),
    )


def document(of: object | None) -> dict[str, Any]:
    """An object as JSON, with its secrets."""
    found: dict[str, Any] = {} if of is None else msgspec.to_builtins(of, enc_hook=_revealed)
    return found


async def add(session: Session, changes: Sequence[tuple[Actor, Change]], now: datetime) -> None:
    """Note what was changed by whom."""
    if changes:
        await session.run_each(ADD, [_row(by, change, now) for by, change in changes])


def _row(by: Actor, change: Change, now: datetime) -> dict[str, Any]:
    return {
        "tm": now,
        "actor": by.name[:LONGEST],
        "identity": by.identity and by.identity[:LONGEST],
        "source": by.source,
        "address": by.address and by.address[:64],
        "request_id": by.request_id and by.request_id[:64],
        "customer_id": change.owner_id,
        "action": change.action,
        "kind": change.kind,
        "object_id": change.object_id,
        "changed": change.changed,
        "old_values": change.old,
        "new_values": change.new,
    }


async def blank(
    session: Session, id: UUID, after: int = 0, of: Literal["customer_id", "object_id"] = "customer_id"
) -> int:
    """Take out what some entries of a customer or an object that is gone tell besides who did what and when.

    They are the next behind the number `after`; the number of the last one, 0 at the end.
    """
    some = [row["id"] for row in await session.all(TELLING[of], of=id, after=after)]
    if some:
        await session.run(BLANK, ids=some)
    return some[-1] if some else 0


def _revealed(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value))


def _shown(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """A document without what must not be read; `None` for none."""
    return {name: _safe(name, value) for name, value in document.items()} or None


def _safe(name: str, value: Any) -> Any:
    if name == "key" or is_telling(name):
        return REDACTED if _says(value) else None
    return _shown(value) if isinstance(value, dict) else clean(name, value)


def _says(value: Any) -> bool:
    """Whether there is anything in it."""
    return any(map(_says, value.values())) if isinstance(value, dict) else bool(value)
