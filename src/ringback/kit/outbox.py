"""Events wait here, in the transaction that caused them, until the bus has them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from ringback.kit.columns import Id, Json, Time
from ringback.kit.db import OWN, Row, Session, Statement, among
from ringback.kit.events import Event, Message

if TYPE_CHECKING:
    from ringback.kit.uow import UnitOfWork

KEEP: Final = timedelta(hours=24)
"""How long a published event stays readable."""
BATCH: Final = 100
LATEST: Final = timedelta(seconds=10)
"""How long after its successors an event may appear: no transaction lasts longer."""

metadata = MetaData(schema=OWN)
outbox = Table(
    "registrar_outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("publisher", String(64), nullable=False),
    Column("event_type", String(64), nullable=False),
    Column("object_id", Id, nullable=False),
    Column("subscription_id", Id, nullable=False),
    Column("payload", Json, nullable=False),
    Column("tm_create", Time, nullable=False),
    Column("tm_publish", Time),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Index("idx_registrar_outbox_waiting", "tm_publish", "publisher", "id"),
    sqlite_autoincrement=True,
)

COLUMNS: Final = ("publisher", "event_type", "object_id", "subscription_id", "payload", "tm_create")
ADD = Statement(insert(outbox), *COLUMNS)
WAITS: Final = and_(outbox.c.tm_publish.is_(None), outbox.c.publisher == bindparam("publisher"))
IS_WAITING = Statement(select(outbox.c.id).where(WAITS).limit(1))
WAITING = Statement(select(outbox).where(WAITS).order_by(outbox.c.id).limit(BATCH))
SINCE = Statement(select(outbox).where(outbox.c.id > bindparam("last")).order_by(outbox.c.id).limit(BATCH))
LATE = Statement(select(outbox).where(among(outbox.c.id, "ids")).order_by(outbox.c.id))
LAST = Statement(select(func.coalesce(func.max(outbox.c.id), 0).label("id")))
PENDING = Statement(
    select(func.count().label("count"), func.min(outbox.c.tm_create).label("oldest")).where(
        outbox.c.tm_publish.is_(None)
    )
)
SENT = Statement(update(outbox).where(among(outbox.c.id, "ids")), "tm_publish")
FAILED = Statement(update(outbox).where(among(outbox.c.id, "ids")).values(attempts=outbox.c.attempts + 1))
OLD = Statement(select(outbox.c.id).where(outbox.c.tm_publish < bindparam("before", type_=Time)).limit(BATCH))
FORGET = Statement(delete(outbox).where(among(outbox.c.id, "ids")))


async def add(session: Session, events: Sequence[Event], now: datetime) -> None:
    if events:
        await session.run_each(ADD, [_row(event, now) for event in events])


def _row(event: Event, now: datetime) -> dict[str, Any]:
    return {
        "publisher": event.publisher,
        "event_type": event.type,
        "object_id": event.object_id,
        "subscription_id": event.subscription_id,
        "payload": msgspec.to_builtins(event.data),
        "tm_create": now,
    }


class Reading:
    """Reads all events with an id above `last`, published or not, once each.

    Transactions side by side get their ids before they commit, so an id that is not there yet may come for some time.
    """

    def __init__(self, last: int = 0) -> None:
        self._last = last
        self._missing: dict[int, datetime] = {}

    async def more(self, uow: "UnitOfWork") -> list[Message]:
        """Up to 200 that have not been given before: late ones first, else by id."""
        self._missing = {id: until for id, until in self._missing.items() if uow.now < until}
        asked = sorted(self._missing)[-BATCH:]
        late = await uow.session.all(LATE, ids=asked) if asked else []
        new = await uow.session.all(SINCE, last=self._last)
        for row in late:
            del self._missing[row["id"]]
        for row in new:
            if self._last:
                self._missing |= dict.fromkeys(
                    range(max(self._last + 1, row["id"] - BATCH), row["id"]), uow.now + LATEST
                )
            self._last = row["id"]
        return [message_of(row) for row in (*late, *new)]


async def settled(uow: "UnitOfWork", last: int) -> list[Message]:
    """Up to 100 with an id above `last`, by id, as far as none between them can come any more."""
    found: list[Message] = []
    for row in await uow.session.all(SINCE, last=last):
        if row["id"] > last + 1 and uow.now < row["tm_create"] + LATEST:
            break
        found.append(message_of(row))
        last = row["id"]
    return found


async def settled_id(uow: "UnitOfWork") -> int:
    """The id up to which none can come any more."""
    last = max(await last_id(uow.session) - BATCH, 0)
    found = await settled(uow, last)
    return found[-1].id if found else last


async def keeps_all_after(uow: "UnitOfWork", id: int) -> bool:
    """Whether what came after that event is still there: it is there itself, and not yet old enough to go."""
    rows = await uow.session.all(LATE, ids=[id])
    return any(uow.now < row["tm_create"] + KEEP for row in rows)


async def last_id(session: Session) -> int:
    row = await session.one(LAST)
    return int(row["id"]) if row else 0


async def pending(session: Session) -> tuple[int, datetime | None]:
    """How many events wait, and since when the oldest does."""
    row = await session.one(PENDING)
    assert row is not None
    return row["count"], row["oldest"]


def message_of(row: Row) -> Message:
    return Message(
        id=row["id"],
        publisher=row["publisher"],
        type=row["event_type"],
        object_id=row["object_id"],
        subscription_id=row["subscription_id"],
        data=row["payload"],
        tm_create=row["tm_create"],
    )


async def is_waiting(session: Session, publisher: str) -> bool:
    """Whether any of its events is still to be published."""
    return await session.one(IS_WAITING, publisher=publisher) is not None


async def waiting(session: Session, publisher: str) -> list[Message]:
    """The oldest of its events that are still to be published, at most 100, by id."""
    return [message_of(row) for row in await session.all(WAITING, publisher=publisher)]


async def mark(uow: "UnitOfWork", sent: Sequence[int], failed: Sequence[int]) -> None:
    """Note which events the bus took, and which it did not; at most 100 of each."""
    if sent:
        await uow.session.run(SENT, tm_publish=uow.now, ids=sent)
    if failed:
        await uow.session.run(FAILED, ids=failed)


async def prune(uow: "UnitOfWork") -> int:
    """Forget some events that were published long ago; how many."""
    old = [row["id"] for row in await uow.session.all(OLD, before=uow.now - KEEP)]
    return await uow.session.run(FORGET, ids=old) if old else 0
